import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isOnPath, type RunningProgram, startProgram } from "./program.js";

/** A Prometheus server on loopback, with a temporary data folder that `stop` removes. */
export type RunningPrometheus = RunningProgram;

export interface PrometheusOptions {
  /** Its configuration, as YAML or as an object. */
  readonly config: string | object;
  /** Further command line flags, such as `--log.level=debug`. */
  readonly flags?: readonly string[];
}

/** Why tests that need a real Prometheus cannot run here, or undefined when they can. */
export function prometheusMissing(): string | undefined {
  return isOnPath("prometheus")
    ? undefined
    : "there is no `prometheus` on the PATH (Debian: apt-get install prometheus)";
}

/** Starts a Prometheus and waits until it is ready to scrape. */
export async function startPrometheus({ config, flags = [] }: PrometheusOptions): Promise<RunningPrometheus> {
  const folder = await mkdtemp(join(tmpdir(), "prometheus-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  const configFile = join(folder, "prometheus.yml");
  // JSON is valid YAML.
  await writeFile(configFile, typeof config === "string" ? config : JSON.stringify(config));
  const args = [`--config.file=${configFile}`, `--storage.tsdb.path=${join(folder, "data")}`, ...flags];
  try {
    const prometheus = await startProgram("prometheus", args);
    const stop = async () => {
      await prometheus.stop();
      await remove();
    };
    return { ...prometheus, stop };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** A target in `/api/v1/targets`. */
export interface PrometheusTarget {
  readonly scrapePool: string;
  readonly scrapeUrl: string;
  readonly health: "up" | "down" | "unknown";
  readonly lastError: string;
}

/** The active targets. */
export async function prometheusTargets(prometheus: { readonly url: string }): Promise<PrometheusTarget[]> {
  const data = await api(prometheus, "/api/v1/targets?state=active");
  return (data as { activeTargets: PrometheusTarget[] }).activeTargets;
}

/** One series of an instant query: its labels and its value. */
export interface PrometheusSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The result of an instant query. */
export async function prometheusQuery(
  prometheus: { readonly url: string },
  query: string,
): Promise<PrometheusSample[]> {
  const data = await api(prometheus, `/api/v1/query?query=${encodeURIComponent(query)}`);
  const { result } = data as { result: { metric: Record<string, string>; value: [number, string] }[] };
  return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}

async function api({ url }: { readonly url: string }, path: string): Promise<unknown> {
  const response = await fetch(url + path);
  const answer = (await response.json()) as { status: string; error?: string; data: unknown };
  if (answer.status !== "success") throw new Error(`${path}: ${answer.error}`);
  return answer.data;
}
