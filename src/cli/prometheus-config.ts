import { request } from "undici";
import { stringify } from "yaml";
import { z } from "zod";
import { segment } from "../archive/schema.js";
import { AppError } from "../errors.js";
import { metricsPathOf } from "../model/metrics-path.js";
import { hasMetrics } from "../model/target-status.js";
import { type ProxyCredentials, requestSettings, scrapeSettings } from "./proxy-credentials.js";

/** How Prometheus scrapes the proxies; see prometheusConfig. */
export type ConfigStyle = "static" | "federate" | "http-sd";

const timeout = 10_000;
const prefix = "__meta_app_metrics_proxy_";

const targetsSchema = z.object({
  /** Of all nodes; only those of the proxy's own node have a provider. */
  targets: z.array(z.object({ job: segment, state: z.string(), provider: z.string().optional() })),
  services: z.array(z.object({ job: segment })),
});

/**
 * A Prometheus scrape configuration, in YAML, for the proxies at `urls`.
 *
 * `static`: a job for each service. Its targets are the proxies that scrape it, or, if none of `urls` does, those that
 * serve it. `federate`: one job for all metrics with their own job, instance and time; requires Prometheus 2.39.
 * `http-sd`: one job whose targets Prometheus requests from the proxies.
 *
 * @param credentials used for requests to the proxies and included in the configuration, secrets as paths of files.
 * @throws AppError if a URL or the credentials are invalid, or a proxy does not respond.
 */
export async function prometheusConfig(
  urls: readonly string[],
  style: ConfigStyle,
  credentials: ProxyCredentials = {},
): Promise<string> {
  const settings = scrapeSettings(credentials);
  const proxies = urls.map(parseProxy);
  if (new Set(proxies.map(({ protocol }) => protocol)).size > 1) {
    throw new AppError("--url: use either http or https for all proxies");
  }
  const own = { job_name: "app-metrics-proxy", ...targetsIn(proxies) };
  const jobs = { static: staticJobs, federate: federateJobs, "http-sd": httpSdJobs }[style];
  const scrapeConfigs = [...(await jobs(proxies, credentials)), own].map((job) => ({ ...job, ...settings }));
  // Proxies with the same scrapes may be one cycle apart. Without this setting, Prometheus would report the samples of
  // the slower proxy as out of order, although it already has them.
  const storage = style === "federate" ? { storage: { tsdb: { out_of_order_time_window: "10m" } } } : {};
  return stringify({ ...storage, scrape_configs: scrapeConfigs }, { lineWidth: 0 });
}

function parseProxy(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search !== "") {
    throw new AppError(`--url ${text} is invalid: must be http://host:port or https://host:port`);
  }
  if (url.username !== "" || url.password !== "")
    throw new AppError("--url must not contain a user or a password");
  return url;
}

async function staticJobs(proxies: readonly URL[], credentials: ProxyCredentials): Promise<object[]> {
  const request = requestSettings(credentials);
  const scraped = new Map<string, URL[]>();
  const served = new Map<string, URL[]>();
  for (const proxy of proxies) {
    const services = await servicesOf(proxy, request);
    for (const service of services.scraped) scraped.set(service, [...(scraped.get(service) ?? []), proxy]);
    for (const service of services.served) served.set(service, [...(served.get(service) ?? []), proxy]);
  }
  // Proxies that scrape a service replace those that only serve it.
  const hosts = new Map([...served, ...scraped]);
  await request.dispatcher.close();
  return [...hosts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([service, proxiesOfService]) => ({
      job_name: service,
      metrics_path: metricsPathOf(service),
      ...targetsIn(proxiesOfService),
    }));
}

async function federateJobs(proxies: readonly URL[]): Promise<object[]> {
  return [{ job_name: "federate", metrics_path: "/federate", honor_labels: true, ...targetsIn(proxies) }];
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

/**
 * The names of services on one proxy. `scraped`: with current or expected metrics on the node of the proxy. `served`:
 * all that the proxy serves, whichever node scrapes them.
 */
async function servicesOf(proxy: URL, settings: ReturnType<typeof requestSettings>) {
  try {
    const { statusCode, body } = await request(new URL("/targets", proxy), {
      ...settings,
      signal: AbortSignal.timeout(timeout),
    });
    if (statusCode !== 200) throw new AppError(`the response has status ${statusCode}`);
    const { targets, services } = targetsSchema.parse(await body.json());
    const own = targets.filter((target) => target.provider !== undefined && hasMetrics(target));
    return { scraped: new Set(own.map(({ job }) => job)), served: services.map(({ job }) => job) };
  } catch (cause) {
    throw new AppError(`cannot list the services of ${proxy.origin}`, { cause });
  }
}

function targetsIn(proxies: readonly URL[]): object {
  const targets = proxies.map(
    ({ protocol, hostname, port }) => `${hostname}:${port || (protocol === "https:" ? "443" : "80")}`,
  );
  return { ...schemeOf(proxies), static_configs: [{ targets }] };
}

/** The scheme of a job, which all its targets share. Prometheus' default is http. */
function schemeOf(proxies: readonly URL[]): { scheme?: string } {
  return proxies.every(({ protocol }) => protocol === "https:") ? { scheme: "https" } : {};
}
