// Starts two proxies that replicate to each other, prints their URLs, and stops everything on Ctrl-C.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { startExporters } from "../demo-exporters.mjs";
import { startProxy } from "./demo-proxy.mjs";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop.abort());

const interval = Number(process.env.SCRAPE_INTERVAL || 5);
const listen = process.env.LISTEN_ADDRESS || ":2137";
const [, host, port] = /^(.*):(\d+)$/.exec(listen) ?? ["", "", "2137"];
const listens = [listen, `${host}:${Number(port) + 1}`];
const everywhere = ["", "0.0.0.0", "[::]"].includes(host);
const urls = listens.map(
  (address) => `http://${everywhere ? "localhost" : host}:${address.split(":").at(-1)}`,
);

for (const address of listens) {
  if (await isTaken(everywhere ? undefined : host.replace(/[[\]]/g, ""), Number(address.split(":").at(-1)))) {
    console.error(
      `Another program listens on ${address}. Select two free ports by the first one: LISTEN_ADDRESS=:2147 ./scripts/demo`,
    );
    process.exit(1);
  }
}

const folder = await mkdtemp(join(tmpdir(), "app-metrics-proxy-demo-"));
const exporters = await startExporters();
try {
  const engine = await hasDocker();
  console.log(
    engine
      ? "\nDocker engine found: both proxies scrape its containers, and each some exporters with metrics of this machine.\n"
      : "\nNo Docker engine found: each proxy scrapes some exporters with metrics of this machine.\n",
  );
  const proxies = await startPair();
  stop.signal.addEventListener("abort", () => {
    for (const proxy of proxies) proxy.stop();
  });
  if (stop.signal.aborted) for (const proxy of proxies) proxy.stop();
  // A proxy that was stopped on purpose is part of the demo; a failed one ends it.
  for (const { ended } of proxies) ended.then((code) => code !== 0 && stop.abort());
  const allEnded = Promise.all(proxies.map(({ ended }) => ended));
  await Promise.race([announce(proxies), allEnded]);
  process.exitCode = Math.max(...(await allEnded));
} finally {
  exporters.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Starts both proxies, each with half of the exporters, and the other one as its peer. */
async function startPair() {
  const sshPorts = await Promise.all([freePort(), freePort()]);
  const half = Math.ceil(exporters.targets.length / 2);
  const halves = [exporters.targets.slice(0, half), exporters.targets.slice(half)];
  const secret = process.env.SSHPASS || randomBytes(24).toString("hex");
  return Promise.all(
    listens.map(async (address, index) => {
      const targets = join(folder, `targets-${index + 1}.json`);
      await writeFile(targets, JSON.stringify(halves[index], undefined, 2));
      return startProxy(`${index + 1}`, {
        LOG_FORMAT: process.stdout.isTTY ? "pretty" : "json",
        ...process.env,
        SCRAPE_INTERVAL: String(interval),
        LISTEN_ADDRESS: address,
        CACHE_DIR: join(folder, `cache-${index + 1}`),
        TARGETS_FILE: (index === 0 && process.env.TARGETS_FILE) || targets,
        SSHPASS: process.env.SSHPASS_FILE ? "" : secret,
        SSH_LISTEN_ADDRESS: `127.0.0.1:${sshPorts[index]}`,
        PEERS: `127.0.0.1:${sshPorts[1 - index]}`,
      });
    }),
  );
}

/** Prints the URLs as soon as each proxy serves the metrics of the other. */
async function announce(proxies) {
  const own = exporters.targets.map(({ labels }) => labels.job);
  const paths = urls.flatMap((url) => own.map((name) => `${url}/${name}/metrics`));
  const until = performance.now() + (3 * interval + 40) * 1000;
  while (performance.now() < until) {
    if (stop.signal.aborted) return;
    const responses = await Promise.all(paths.map(request));
    if (responses.every((response) => response?.ok)) break;
    await sleep(200);
  }
  const targets = (await (await request(`${urls[0]}/targets`))?.json())?.targets ?? [];
  const found = targets.filter(({ state }) => state === "up").flatMap(({ names }) => names[0]);
  const lines = [
    "",
    "Open one of these URLs:",
    ...urls.map((url) => `  ${url}/`),
    ...[...new Set([...own, ...found])].map((name) => `  ${urls[0]}/${encodeURIComponent(name)}/metrics`),
    ...["/targets", "/metrics"].map((path) => `  ${urls[0]}${path}`),
    "",
    `Each proxy scrapes only some of the targets on ${hostname()}, but serves all of them. Stop one, and the other`,
    `continues to serve its metrics until they are stale, after ${process.env.STALE_AFTER || 3 * interval} s:`,
    ...proxies.map(({ title, pid }) => `  kill ${pid}   # proxy ${title}`),
    "",
    "Press Ctrl-C to stop everything.",
    "",
  ];
  console.log(lines.join("\n"));
}

/** The response; undefined without one in time. */
async function request(url) {
  return fetch(url, { signal: AbortSignal.any([stop.signal, AbortSignal.timeout(2000)]) }).catch(
    () => undefined,
  );
}

async function hasDocker() {
  try {
    await new Docker({ timeout: 2000 }).ping();
    return true;
  } catch {
    return false;
  }
}

async function isTaken(host, port) {
  const server = createServer();
  try {
    server.listen({ host, port });
    await once(server, "listening");
    return false;
  } catch (error) {
    // The proxy reports other problems with the address.
    return error.code === "EADDRINUSE";
  } finally {
    server.close();
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}
