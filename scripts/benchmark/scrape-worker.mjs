// Scrapes one path over a persistent connection, with a short pause after each response, and measures the responses.

import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { handleRuns } from "./worker.mjs";

const { URL_TO_SCRAPE, AUTHORIZATION, SECONDS } = process.env;
const dispatcher = new Agent({ connections: 1, connect: { rejectUnauthorized: false } });

handleRuns(async () => {
  const times = [];
  const end = performance.now() + Number(SECONDS) * 1000;
  while (performance.now() < end) {
    const begun = performance.now();
    const { statusCode, body } = await request(URL_TO_SCRAPE, {
      dispatcher,
      headers: { authorization: AUTHORIZATION, "accept-encoding": "gzip" },
    });
    await body.dump();
    if (statusCode !== 200) throw new Error(`status ${statusCode} for the right password`);
    times.push((performance.now() - begun) / 1000);
    await sleep(5);
  }
  times.sort((a, b) => a - b);
  const at = (part) => times[Math.floor((times.length - 1) * part)];
  return { scrapes: times.length, median: at(0.5), p99: at(0.99) };
});
