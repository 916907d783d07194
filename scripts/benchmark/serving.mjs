// Serving one cached scrape, in turns with bare Express handlers that send the same bytes. wrk creates the load: a client
// in JavaScript would be slower than the servers and hide the difference.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { request } from "undici";
import { startDaemon } from "./daemon.mjs";
import { median } from "./report.mjs";
import { cpuTime, startWorker } from "./worker.mjs";

const run = promisify(execFile);
/** The headers of Prometheus 3. */
const headers = {
  accept:
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
  "accept-encoding": "gzip",
};
export const connections = 32;

/** Measures `rounds` rounds of `seconds` for each server. */
export async function measureServing({ targets, folder, rounds, seconds, onExit }) {
  // An hour between two scans, so that only serving is measured.
  const daemon = await startDaemon({ targets, folder, interval: 3600, onExit });
  const path = targets.singlePath;
  const response = await fetchRaw(daemon.url + path);
  const body = join(folder, "body.gz");
  await writeFile(body, response.bytes);

  const server = ({ url, pid }) => ({ url: url + path, pid, rates: [], costs: [] });
  const bareHandler = async (handler) => {
    const settings = { BODY: body, CONTENT_TYPE: response.contentType, HANDLER: handler };
    const worker = await startWorker("express-worker.mjs", settings);
    onExit(worker.stop);
    const bare = server({ url: `http://127.0.0.1:${worker.ready}`, pid: worker.pid });
    const { contentType, bytes } = await fetchRaw(bare.url);
    if (contentType !== response.contentType || !bytes.equals(response.bytes)) {
      throw new Error("the servers send different responses");
    }
    return bare;
  };
  const ours = server(daemon);
  const send = await bareHandler("send");
  const end = await bareHandler("end");

  const servers = [ours, send, end];
  // The first round warms up. The order changes from round to round.
  for (let round = 0; round <= rounds; round++) {
    for (const server of servers) {
      const cpuBefore = cpuTime(server.pid);
      const { requests, rate } = await load(server.url, seconds);
      if (round === 0) continue;
      server.rates.push(rate);
      server.costs.push((cpuTime(server.pid) - cpuBefore) / requests);
    }
    servers.push(servers.shift());
  }
  const figuresOf = ({ rates, costs }) => ({
    rate: median(rates),
    cost: median(costs),
    ratio: median(ours.rates.map((rate, round) => rate / rates[round])),
    costRatio: median(ours.costs.map((cost, round) => cost / costs[round])),
  });
  return { bytes: response.bytes.length, ours: figuresOf(ours), send: figuresOf(send), end: figuresOf(end) };
}

async function load(url, seconds) {
  const { stdout } = await run("wrk", [
    "--threads=1",
    `--connections=${connections}`,
    `--duration=${seconds}s`,
    ...Object.entries(headers).map(([name, value]) => `--header=${name}: ${value}`),
    url,
  ]);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`requests failed:\n${stdout}`);
  return {
    requests: Number(/^\s*(\d+) requests in/m.exec(stdout)[1]),
    rate: Number(/^Requests\/sec:\s*([\d.]+)/m.exec(stdout)[1]),
  };
}

/** The body as sent; `fetch` would decompress it. */
async function fetchRaw(url) {
  const response = await request(url, { headers });
  const bytes = Buffer.from(await response.body.arrayBuffer());
  return { contentType: response.headers["content-type"], bytes };
}
