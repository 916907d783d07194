import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A Prometheus server on loopback with a data folder of its own. */
export interface RunningPrometheus {
  /** Such as `http://127.0.0.1:41234`. */
  readonly url: string;
  /** What it wrote to its log so far. */
  log(): string;
  /** Ends it and removes its data. May be called twice. */
  stop(): Promise<void>;
}

export interface PrometheusOptions {
  /** Its configuration, as YAML or as an object. */
  readonly config: string | object;
  /** Further command line flags, such as `--log.level=debug`. */
  readonly flags?: readonly string[];
}

/** Why tests that need a real Prometheus cannot run here, or undefined when they can. */
export function prometheusMissing(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => isExecutable(join(folder, "prometheus")))
    ? undefined
    : "there is no `prometheus` on the PATH (Debian: apt-get install prometheus)";
}

/** Starts a Prometheus and waits until it is ready to scrape. */
export async function startPrometheus(options: PrometheusOptions): Promise<RunningPrometheus> {
  const folder = await mkdtemp(join(tmpdir(), "prometheus-"));
  const configFile = join(folder, "prometheus.yml");
  const { config } = options;
  // JSON is YAML, too.
  await writeFile(configFile, typeof config === "string" ? config : JSON.stringify(config));
  const port = await freePort();
  const child = spawn(
    "prometheus",
    [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      ...(options.flags ?? []),
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let log = "";
  child.stderr.on("data", (data) => {
    log += data;
  });
  let failure: Error | undefined;
  child.on("error", (error) => {
    failure = error;
  });
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const deadline = Date.now() + 20_000;
    while (!(await isReady(url))) {
      if (failure !== undefined) throw failure;
      if (child.exitCode !== null) throw new Error(`prometheus ended with code ${child.exitCode}:\n${log}`);
      if (Date.now() > deadline) throw new Error(`prometheus was not ready within 20 s:\n${log}`);
      await sleep(50);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop, log: () => log };
}

/** A target as `/api/v1/targets` shows it. */
export interface PrometheusTarget {
  readonly scrapePool: string;
  readonly scrapeUrl: string;
  readonly health: "up" | "down" | "unknown";
  readonly lastError: string;
}

/** The targets that it scrapes. */
export async function prometheusTargets(prometheus: RunningPrometheus): Promise<PrometheusTarget[]> {
  const data = await api(prometheus, "/api/v1/targets?state=active");
  return (data as { activeTargets: PrometheusTarget[] }).activeTargets;
}

/** One series of an instant query: its labels and its value. */
export interface PrometheusSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The answer to an instant query. */
export async function prometheusQuery(
  prometheus: RunningPrometheus,
  query: string,
): Promise<PrometheusSample[]> {
  const data = await api(prometheus, `/api/v1/query?query=${encodeURIComponent(query)}`);
  const { result } = data as { result: { metric: Record<string, string>; value: [number, string] }[] };
  return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}

async function api({ url }: RunningPrometheus, path: string): Promise<unknown> {
  const response = await fetch(url + path);
  const answer = (await response.json()) as { status: string; error?: string; data: unknown };
  if (answer.status !== "success") throw new Error(`${path}: ${answer.error}`);
  return answer.data;
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/-/ready`)).ok;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const kill = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await exited;
  clearTimeout(kill);
}

/** A port that was free a moment ago: Prometheus cannot be asked which one it took. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
