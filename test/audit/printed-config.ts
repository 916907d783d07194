import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import type { MetricsServer } from "../support/prometheus-versions.js";
import type { Style } from "./server.js";

const run = promisify(execFile);

interface ScrapeConfig {
  readonly job_name: string;
  readonly metrics_path?: string;
  readonly http_sd_configs?: readonly object[];
  readonly [key: string]: unknown;
}

interface Config {
  readonly scrape_configs: readonly ScrapeConfig[];
}

/**
 * The configuration that the program prints for these proxies, with one job more: `direct`, whose series have the label
 * `by`. The list of targets is requested every 5 s instead of every minute, because everything else in the audit is ten
 * times as fast as usual, too.
 *
 * @param direct what to scrape directly, at this path.
 */
export async function configFor(
  options: {
    readonly style: Style;
    readonly server: MetricsServer;
    readonly urls: readonly string[];
    readonly history: number | undefined;
  },
  direct: { readonly path: string; readonly addresses: readonly string[] },
): Promise<object> {
  const { style, server, urls, history } = options;
  const named = ["--style", style, "--for", server.kind, "--interval", "1"];
  const args = ["prometheus-config", ...named, ...urls.flatMap((url) => ["--url", url])];
  const { stdout } = await run(process.execPath, [resolve("dist/main.js"), ...args]);
  const { scrape_configs } = parse(stdout) as Config;
  const jobs = scrape_configs.map(({ http_sd_configs, ...job }) => ({
    ...job,
    ...(history !== undefined &&
      job.metrics_path === "/federate" && { params: { history: [String(history)] } }),
    ...(http_sd_configs && {
      http_sd_configs: http_sd_configs.map((list) => ({ ...list, refresh_interval: "5s" })),
    }),
  }));
  return {
    scrape_configs: [
      ...jobs,
      {
        job_name: "direct",
        scrape_interval: "1s",
        scrape_timeout: "900ms",
        // The default of Prometheus, but not of VictoriaMetrics.
        honor_timestamps: true,
        metrics_path: direct.path,
        static_configs: [{ targets: direct.addresses, labels: { by: "direct" } }],
      },
    ],
  };
}
