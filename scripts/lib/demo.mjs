// Starts two proxies that replicate to each other on what is there, tells where to look, and ends it all on Ctrl-C.
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
      `Another program listens on ${address}. Give a free one, the next after it free too: LISTEN_ADDRESS=:2147 ./scripts/demo`,
    );
    process.exit(1);
  }
}

const folder = await mkdtemp(join(tmpdir(), "app-metrics-proxy-demo-"));
const exporters = await startExporters();
try {
  const engine = await dockerAnswers();
  console.log(
    engine
      ? "\nA Docker engine answers: both proxies scan its containers, and each some exporters of this machine's own figures.\n"
      : "\nNo Docker engine answers: each proxy scans some exporters of this machine's own figures.\n",
  );
  const proxies = await startPair();
  stop.signal.addEventListener("abort", () => {
    for (const proxy of proxies) proxy.stop();
  });
  if (stop.signal.aborted) for (const proxy of proxies) proxy.stop();
  // One that is stopped shows something, one that fails does not.
  for (const { ended } of proxies) ended.then((code) => code !== 0 && stop.abort());
  const allEnded = Promise.all(proxies.map(({ ended }) => ended));
  await Promise.race([announce(proxies), allEnded]);
  process.exitCode = Math.max(...(await allEnded));
} finally {
  exporters.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Starts both, each with half of the exporters and the other as its peer. */
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

/** Tells the addresses as soon as each proxy answers for what the other has. */
async function announce(proxies) {
  const own = exporters.targets.map(({ labels }) => labels.job);
  const paths = urls.flatMap((url) => own.map((name) => `${url}/${name}/metrics`));
  const until = performance.now() + (3 * interval + 10) * 1000;
  while (performance.now() < until) {
    if (stop.signal.aborted) return;
    const answers = await Promise.all(paths.map(ask));
    if (answers.every((answer) => answer?.ok)) break;
    await sleep(200);
  }
  const targets = (await (await ask(`${urls[0]}/targets`))?.json())?.targets ?? [];
  const found = targets.filter(({ state }) => state === "up").flatMap(({ names }) => names[0]);
  const lines = [
    "",
    "Open, at either proxy:",
    ...urls.map((url) => `  ${url}/`),
    ...[...new Set([...own, ...found])].map((name) => `  ${urls[0]}/${encodeURIComponent(name)}/metrics`),
    ...["/targets", "/metrics"].map((path) => `  ${urls[0]}${path}`),
    "",
    `Each has only a part of the targets of ${hostname()} and holds the other's metrics as well. Stop one, and the`,
    `other goes on answering for both until they are stale, after ${process.env.STALE_AFTER || 3 * interval} s:`,
    ...proxies.map(({ title, pid }) => `  kill ${pid}   # proxy ${title}`),
    "",
    "Ctrl-C ends it all.",
    "",
  ];
  console.log(lines.join("\n"));
}

/** The response, or undefined where nobody answers in time. */
async function ask(url) {
  return fetch(url, { signal: AbortSignal.any([stop.signal, AbortSignal.timeout(2000)]) }).catch(
    () => undefined,
  );
}

async function dockerAnswers() {
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
    // Whatever else is wrong with the address, the proxy says better.
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
