// /federate with all targets, in turns with a Pushgateway that has the same samples.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { startDaemon } from "./daemon.mjs";
import { freePort } from "./free-port.mjs";
import { median } from "./report.mjs";
import { peakMemory } from "./worker.mjs";

/** Measures `rounds` responses of each, plain and gzipped. */
export async function measureFederating({ targets, folder, rounds, onExit }) {
  const daemon = await startDaemon({ targets, folder, interval: 3600, onExit });
  const gateway = await startPushgateway(onExit);
  await push(targets, gateway.url);
  // Peak memory is measured from here, without the first scan.
  await sleep(2000);
  const idle = memory(daemon.pid);
  resetPeak(daemon.pid);

  const figures = {};
  for (const encoding of ["identity", "gzip"]) {
    const ours = [];
    const theirs = [];
    for (let round = 0; round <= rounds; round++) {
      const one = await readResponse(`${daemon.url}/federate`, encoding);
      const other = await readResponse(`${gateway.url}/metrics`, encoding);
      // The first round warms up.
      if (round === 0) continue;
      ours.push(one);
      theirs.push(other);
    }
    figures[encoding] = {
      firstByte: median(ours.map(({ firstByte }) => firstByte)),
      total: median(ours.map(({ total }) => total)),
      bytes: ours[0].bytes,
      gatewayTotal: median(theirs.map(({ total }) => total)),
      gatewayBytes: theirs[0].bytes,
      ratio: median(ours.map(({ total }, round) => total / theirs[round].total)),
    };
  }
  const aboveIdle = peakMemory(daemon.pid) - idle;
  await Promise.all([daemon.stop(), gateway.stop()]);
  return { ...figures, aboveIdle };
}

/** Reads a response and discards it. Times in seconds. */
async function readResponse(url, encoding) {
  const begun = performance.now();
  const request = get(url, { agent: false, headers: { "accept-encoding": encoding } });
  const [response] = await once(request, "response");
  if (response.statusCode !== 200) throw new Error(`${url}: status ${response.statusCode}`);
  let firstByte;
  let bytes = 0;
  for await (const chunk of response) {
    firstByte ??= performance.now();
    bytes += chunk.length;
  }
  return { firstByte: (firstByte - begun) / 1000, total: (performance.now() - begun) / 1000, bytes };
}

async function startPushgateway(onExit) {
  const port = await freePort();
  const child = spawn(
    "prometheus-pushgateway",
    [
      `--web.listen-address=127.0.0.1:${port}`,
      // Debian's default stores the samples on disk, from one run to the next.
      "--persistence.file=",
      // The check reads all samples at each push: a thousand pushes would take an hour.
      "--push.disable-consistency-check",
    ],
    { stdio: "ignore" },
  );
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  onExit(stop);
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; attempt < 100; attempt++) {
    if ((await fetch(`${url}/-/ready`).catch(() => undefined))?.ok) return { url, stop };
    await sleep(100);
  }
  throw new Error("Pushgateway did not start");
}

/** Pushes the current exposition of each target to the Pushgateway, as one group each. */
async function push(targets, url) {
  for (const [index, target] of targets.urls.entries()) {
    const body = await (await fetch(target, { headers: { "accept-encoding": "gzip" } })).text();
    const response = await fetch(`${url}/metrics/job/bench/instance/${index}`, { method: "PUT", body });
    if (!response.ok) throw new Error(`Pushgateway rejected an exposition: ${await response.text()}`);
  }
}

/** Resets the peak of resident memory (proc(5), clear_refs). */
function resetPeak(pid) {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

function memory(pid) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;
}
