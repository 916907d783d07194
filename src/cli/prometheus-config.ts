import { request } from "undici";
import { stringify } from "yaml";
import { z } from "zod";
import { AppError } from "../errors.js";
import { metricsPathOf } from "../model/metrics-path.js";
import { hasMetrics } from "../model/target-status.js";
import type { ConfigStyle } from "./config-styles.js";
import { type ProxyCredentials, requestSettings, scrapeSettings } from "./proxy-credentials.js";

const timeout = 10_000;
const maxAnswerBytes = 64 * 1024 * 1024;
const prefix = "__meta_app_metrics_proxy_";

const answerSchema = z.object({
  targets: z.array(z.object({ job: z.string(), state: z.string() })),
  services: z.array(z.object({ job: z.string() })),
});

/**
 * A Prometheus scrape configuration, in YAML, for the proxies at `urls`.
 *
 * `static`: a job for each service that the proxies know, with those as targets that scrape it, or, where none of
 * them does, those that answer for it. `federate`: one job that takes everything with its own job, instance and time;
 * it needs Prometheus 2.39 or newer. `http-sd`: one job whose targets Prometheus asks for.
 *
 * @param credentials what locked proxies want to see: shown to those that are asked, and printed, the secrets as paths.
 * @throws AppError where a URL or the credentials cannot be used, or a proxy does not answer.
 */
export async function prometheusConfig(
  urls: readonly string[],
  style: ConfigStyle,
  credentials: ProxyCredentials = {},
): Promise<string> {
  const settings = scrapeSettings(credentials);
  const proxies = urls.map(parseProxy);
  if (new Set(proxies.map(({ protocol }) => protocol)).size > 1) {
    throw new AppError("--url: all proxies of one configuration must be asked by http, or all by https");
  }
  const own = {
    job_name: "app-metrics-proxy",
    ...schemeOf(proxies),
    static_configs: [{ targets: hostsOf(proxies) }],
  };
  const jobs = { static: staticJobs, federate: federateJobs, "http-sd": httpSdJobs }[style];
  const scrapeConfigs = [...(await jobs(proxies, credentials)), own].map((job) => ({ ...job, ...settings }));
  // Proxies that hold the same entries may be a cycle apart. Without this Prometheus counts what the slower one
  // says as out of order, though it has it already; with it, nothing is lost and nothing is there twice.
  const storage = style === "federate" ? { storage: { tsdb: { out_of_order_time_window: "10m" } } } : {};
  return stringify({ ...storage, scrape_configs: scrapeConfigs }, { lineWidth: 0 });
}

function parseProxy(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search !== "") {
    throw new AppError(`--url ${text} cannot be used: it must be http://host:port or https://host:port`);
  }
  if (url.username !== "" || url.password !== "")
    throw new AppError("--url must not hold a user or a password");
  return url;
}

async function staticJobs(proxies: readonly URL[], credentials: ProxyCredentials): Promise<object[]> {
  const request = requestSettings(credentials);
  const scraped = new Map<string, URL[]>();
  const held = new Map<string, URL[]>();
  for (const proxy of proxies) {
    const services = await servicesOf(proxy, request);
    for (const service of services.scraped) scraped.set(service, [...(scraped.get(service) ?? []), proxy]);
    for (const service of services.held) held.set(service, [...(held.get(service) ?? []), proxy]);
  }
  // What the nodes of other proxies scrape is only to be had of those that hold it.
  const hosts = new Map([...held, ...scraped]);
  await request.dispatcher.close();
  return [...hosts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([service, proxiesOfService]) => ({
      job_name: service,
      metrics_path: metricsPathOf(service),
      ...schemeOf(proxiesOfService),
      static_configs: [{ targets: hostsOf(proxiesOfService) }],
    }));
}

async function federateJobs(proxies: readonly URL[]): Promise<object[]> {
  return [
    {
      job_name: "federate",
      metrics_path: "/federate",
      honor_labels: true,
      ...schemeOf(proxies),
      static_configs: [{ targets: hostsOf(proxies) }],
    },
  ];
}

async function httpSdJobs(proxies: readonly URL[], credentials: ProxyCredentials): Promise<object[]> {
  const label = (source: string, target: string) => ({
    source_labels: [`${prefix}${source}`],
    target_label: target,
  });
  return [
    {
      job_name: "services",
      ...schemeOf(proxies),
      http_sd_configs: proxies.map((proxy) => ({
        url: `${proxy.origin}/discovery`,
        ...scrapeSettings(credentials),
      })),
      relabel_configs: [
        label("service", "job"),
        {
          source_labels: [`${prefix}service`, `${prefix}replica`],
          separator: ".",
          target_label: "instance",
        },
        label("node", "node"),
      ],
    },
  ];
}

/** Full names of services. */
interface KnownServices {
  /** Those that have metrics on the proxy's own node, or should have. */
  readonly scraped: ReadonlySet<string>;
  /** Those that it answers for, whoever scrapes them. */
  readonly held: ReadonlySet<string>;
}

async function servicesOf(proxy: URL, settings: ReturnType<typeof requestSettings>): Promise<KnownServices> {
  try {
    const { statusCode, body } = await request(new URL("/targets", proxy), {
      ...settings,
      signal: AbortSignal.timeout(timeout),
    });
    if (statusCode !== 200) throw new AppError(`it answered with status ${statusCode}`);
    const { targets, services } = answerSchema.parse(JSON.parse(await readText(body)));
    return {
      scraped: new Set(targets.filter(hasMetrics).map(({ job }) => job)),
      held: new Set(services.map(({ job }) => job)),
    };
  } catch (cause) {
    throw new AppError(`the services of ${proxy.origin} cannot be listed`, { cause });
  }
}

async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw new AppError(`its answer is longer than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function hostsOf(proxies: readonly URL[]): string[] {
  return proxies.map(
    ({ protocol, hostname, port }) => `${hostname}:${port || (protocol === "https:" ? "443" : "80")}`,
  );
}

/** Prometheus' default is http; all targets of a job share one scheme. */
function schemeOf(proxies: readonly URL[]): { scheme?: string } {
  return proxies.every(({ protocol }) => protocol === "https:") ? { scheme: "https" } : {};
}
