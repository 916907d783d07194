// Starts the built proxy on what is there, tells where to look, and ends it all on Ctrl-C.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import Docker from "dockerode";
import { startExporters } from "../demo-exporters.mjs";

const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop.abort());

const listen = process.env.LISTEN_ADDRESS || ":2137";
const [, host, port] = /^(.*):(\d+)$/.exec(listen) ?? [];
const everywhere = ["", "0.0.0.0", "[::]"].includes(host);
const url = `http://${everywhere ? "localhost" : host}:${port}`;

if (await isTaken(everywhere ? undefined : host?.replace(/[[\]]/g, ""), Number(port))) {
  console.error(`Another program listens on ${listen}. Give a free one: LISTEN_ADDRESS=:2138 ./scripts/demo`);
  process.exit(1);
}

const folder = await mkdtemp(join(tmpdir(), "app-metrics-proxy-demo-"));
const settings = { SCRAPE_INTERVAL: "5", CACHE_DIR: join(folder, "cache"), ...process.env };
let exporters;
try {
  if (await dockerAnswers()) {
    console.log("\nA Docker engine answers: its containers are scanned.\n");
  } else if (settings.TARGETS_FILE) {
    console.log(`\nNo Docker engine answers: the targets in ${settings.TARGETS_FILE} are scanned.\n`);
  } else {
    console.log("\nNo Docker engine answers: exporters of this machine's own figures are scanned.\n");
    exporters = await startExporters();
    settings.TARGETS_FILE = join(folder, "targets.json");
    await writeFile(settings.TARGETS_FILE, JSON.stringify(exporters.targets, undefined, 2));
  }
  process.exitCode = await runProxy();
} finally {
  exporters?.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Runs the proxy until it ends or is to end; answers its exit code. */
async function runProxy() {
  if (stop.signal.aborted) return 0;
  // In a process group of its own, so that Ctrl-C reaches it once: through this process.
  const proxy = spawn(process.execPath, [program, "serve"], {
    env: settings,
    stdio: "inherit",
    detached: true,
  });
  const ended = once(proxy, "exit");
  stop.signal.addEventListener("abort", () => proxy.kill("SIGTERM"));
  const waiting = new AbortController();
  ended.finally(() => waiting.abort());
  await announce(waiting.signal);
  const [code, signal] = await ended;
  return signal ? 1 : code;
}

/** Tells the addresses as soon as the first scan is done. */
async function announce(signal) {
  while (!(await ask("/-/ready", signal))?.ok) {
    if (signal.aborted) return;
    await sleep(200);
  }
  const response = await ask("/targets", signal);
  if (!response) return;
  const { targets } = await response.json();
  const served = targets.filter(({ state }) => state === "up");
  const names = new Set(served.flatMap(({ names }) => names));
  const paths = ["/", ...[...names].map((name) => `/${name}/metrics`), "/targets", "/metrics"];
  console.log(["", "Open:", ...paths.map((path) => `  ${url}${path}`), "", "Ctrl-C ends it.", ""].join("\n"));
}

/** The response, or undefined where nobody answers in time. */
async function ask(path, signal) {
  return fetch(url + path, { signal: AbortSignal.any([signal, AbortSignal.timeout(2000)]) }).catch(
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
