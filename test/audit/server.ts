import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { MetricsServer } from "../support/prometheus-versions.js";
import { fixedPort } from "./fixed-port.js";
import type { Rates } from "./rates.js";
import type { StoredSeries } from "./verdict.js";

/** How a server scrapes the proxies. */
export type Style = "federate" | "http-sd" | "static";

interface Matrix {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [seconds: number, value: string])[];
}

/** A Prometheus or VictoriaMetrics that can be stopped and started again with the same data. */
export class Server {
  readonly style: Style;
  readonly program: MetricsServer;
  log = "";
  readonly #url: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(style: Style, program: MetricsServer, url: string, args: readonly string[]) {
    this.style = style;
    this.program = program;
    this.#url = url;
    this.#args = args;
  }

  /** The path after `/metrics` at which it scrapes sources directly. */
  static clientName(style: Style, program: MetricsServer): string {
    return `direct-${style}-${program.name}`;
  }

  /** A server that `start` starts. @param config its configuration; JSON is valid YAML. */
  static async create(style: Style, program: MetricsServer, config: object, folder: string): Promise<Server> {
    const file = join(folder, `${style}-${program.name}.yml`);
    writeFileSync(file, JSON.stringify(config, null, 2));
    const data = join(folder, `data-${style}-${program.name}`);
    const address = `127.0.0.1:${await fixedPort()}`;
    const args =
      program.kind === "prometheus"
        ? [`--config.file=${file}`, `--storage.tsdb.path=${data}`, `--web.listen-address=${address}`]
        : [`-promscrape.config=${file}`, `-storageDataPath=${data}`, `-httpListenAddr=${address}`, ...dedup];
    return new Server(style, program, `http://${address}`, args);
  }

  get client(): string {
    return Server.clientName(this.style, this.program);
  }

  async start(): Promise<void> {
    const child = spawn(this.program.program, this.#args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    child.stderr.on("data", (chunk) => (this.log += chunk));
    const deadline = Date.now() + 60_000;
    while (!(await this.#isReady())) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`${this.program.program} did not start:\n${this.log}`);
      await sleep(50);
    }
  }

  /** Ends it as a restart of its machine does. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    const kill = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await exited;
    clearTimeout(kill);
  }

  /**
   * The raw samples of a selector in a period, in milliseconds since 1970. Like Prometheus, without markers of the ends of
   * series, which VictoriaMetrics returns as NaN.
   */
  async samples(selector: string, from: number, to: number): Promise<StoredSeries[]> {
    const range = Math.ceil((to - from) / 1000);
    const isMarker = (value: string) => this.program.kind === "victoriametrics" && value === "NaN";
    const result = await this.#query("query", { query: `${selector}[${range}s]`, time: String(to / 1000) });
    return result.map(({ metric, values }) => ({
      labels: metric,
      samples: values
        .filter(([, value]) => !isMarker(value))
        .map(([time, value]) => [Math.round(time * 1000), numberOf(value)] as const),
    }));
  }

  /** The values of an expression at each second of a period, by the label `src`. */
  async rates(query: string, from: number, to: number): Promise<Map<string, Rates>> {
    const [start, end] = [Math.ceil(from / 1000), Math.floor(to / 1000)];
    const parameters = { query, start: String(start), end: String(end), step: "1", nocache: "1" };
    const result = await this.#query("query_range", parameters);
    return new Map(
      result.map(({ metric, values }) => [
        metric["src"] ?? "",
        new Map(values.map(([time, value]) => [Math.round(time * 1000), Number(value)])),
      ]),
    );
  }

  async #query(path: string, parameters: Record<string, string>): Promise<Matrix[]> {
    const response = await fetch(`${this.#url}/api/v1/${path}`, {
      method: "POST",
      body: new URLSearchParams(parameters),
    });
    const body = (await response.json()) as { status: string; error?: string; data: { result: Matrix[] } };
    if (body.status !== "success") throw new Error(`${parameters["query"]}: ${body.error}`);
    return body.data.result;
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.#url}/-/ready`)).ok;
    } catch {
      return false;
    }
  }
}

/** Without it, VictoriaMetrics stores the sample that it receives from two proxies twice. */
const dedup = ["-dedup.minScrapeInterval=1ms", "-retentionPeriod=1"];

function numberOf(text: string): number {
  return Number(text.replace("Inf", "Infinity"));
}
