// The baseline for a cycle: a run only fetches all bodies, with the same client, headers and concurrency.
import pLimit from "p-limit";
import { Agent, request } from "undici";
import { acceptHeader } from "../../dist/exposition/format.js";
import { handleRuns } from "./worker.mjs";

const urls = process.env.URLS.split(" ");
const limit = pLimit(Number(process.env.CONCURRENCY));
const dispatcher = new Agent({ keepAliveTimeout: 60_000, keepAliveMaxTimeout: 60_000 });
const headers = { accept: acceptHeader, "accept-encoding": "gzip" };

async function fetchBody(url) {
  const { body } = await request(url, { dispatcher, headers });
  return (await body.arrayBuffer()).byteLength;
}

handleRuns(async () => {
  const sizes = await Promise.all(urls.map((url) => limit(fetchBody, url)));
  return { bytes: sizes.reduce((sum, size) => sum + size, 0) };
});
