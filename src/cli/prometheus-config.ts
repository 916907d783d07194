import { request } from "undici";
import { stringify } from "yaml";
import { z } from "zod";
import { segment } from "../archive/schema.js";
import { AppError } from "../errors.js";
import { metricsPathOf } from "../model/metrics-path.js";
import { hasMetrics } from "../model/target-status.js";
import { type ProxyCredentials, requestSettings, scrapeSettings } from "./proxy-credentials.js";

/** How Prometheus scrapes the proxies; see prometheusConfig. */
export type ConfigStyle = "federate" | "static" | "http-sd";

/** The programs that read the configuration. */
export type ConfigReader = "prometheus" | "victoriametrics";

export interface ConfigOptions extends ProxyCredentials {
  /** SCRAPE_INTERVAL of the proxies, in seconds. Default: 10, as of the proxies. */
  readonly interval?: number;
  readonly reader?: ConfigReader;
}

const timeout = 10_000;
const defaultInterval = 10;
/** Prometheus' default for scrape_timeout, in seconds. */
const maxScrapeTimeout = 10;
/** So that no sample is lost if one or two scrapes fail. */
const intervalsOfHistory = 3;
const prefix = "__meta_app_metrics_proxy_";

const targetsSchema = z.object({
  /** Of all nodes; only those of the proxy's own node have a provider. */
  targets: z.array(z.object({ job: segment, state: z.string(), provider: z.string().optional() })),
  services: z.array(z.object({ job: segment })),
});

/**
 * A scrape configuration, in YAML with comments, for the proxies at `urls`.
 *
 * `federate`: one job for all metrics with their own job, instance and time. `static`: a job for each service. Its
 * targets are the proxies that know it, each for what it scrapes itself; if no proxy of `urls` scrapes it, the first one
 * that serves it. `http-sd`: one job whose targets Prometheus requests from the proxies.
 *
 * Credentials are used for requests to the proxies and included in the configuration, secrets as paths of files.
 *
 * @throws AppError if a URL or the credentials are invalid, or a proxy does not respond.
 */
export async function prometheusConfig(
  urls: readonly string[],
  style: ConfigStyle = "federate",
  { interval = defaultInterval, reader = "prometheus", ...credentials }: ConfigOptions = {},
): Promise<string> {
  const settings = scrapeSettings(credentials);
  const proxies = urls.map(parseProxy);
  if (new Set(proxies.map(({ protocol }) => protocol)).size > 1) {
    throw new AppError("--url: use either http or https for all proxies");
  }
  const times = {
    scrape_interval: `${interval}s`,
    scrape_timeout: `${Math.min(interval, maxScrapeTimeout)}s`,
  };
  const own = { job_name: "app-metrics-proxy", ...targetsIn(proxies) };
  const jobs = {
    static: () => staticJobs(proxies, credentials),
    federate: () => [federateJob(proxies, intervalsOfHistory * interval, reader)],
    "http-sd": () => [httpSdJob(proxies, settings)],
  };
  const scrapeConfigs = [...(await jobs[style]()), own].map(({ job_name, ...job }) => ({
    job_name,
    ...times,
    ...job,
    ...settings,
  }));
  const comments = commentsFor(style, reader).map((line) => `${`# ${line}`.trimEnd()}\n`);
  return `${comments.join("")}${stringify({ scrape_configs: scrapeConfigs }, { lineWidth: 0 })}`;
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

async function staticJobs(proxies: readonly URL[], credentials: ProxyCredentials) {
  const request = requestSettings(credentials);
  const lists = await Promise.all(
    proxies.map(async (proxy) => ({ proxy, ...(await servicesOf(proxy, request)) })),
  );
  await request.dispatcher.close();
  const services = new Set(lists.flatMap(({ scraped, served }) => [...scraped, ...served]));
  return [...services].sort().map((service) => {
    const isScraped = lists.some(({ scraped }) => scraped.has(service));
    const all = lists.filter(({ known, served }) => known.has(service) || served.has(service));
    const instance = { instance: ["always"] };
    return {
      job_name: service,
      metrics_path: metricsPathOf(service),
      params: isScraped ? { own: ["1"], ...instance } : instance,
      honor_labels: true,
      // Every proxy that serves replicas of other nodes would add them to sums once more.
      ...targetsIn((isScraped ? all : all.slice(0, 1)).map(({ proxy }) => proxy)),
    };
  });
}

function federateJob(proxies: readonly URL[], history: number, reader: ConfigReader) {
  return {
    job_name: "federate",
    metrics_path: "/federate",
    params: { history: [`${history}`] },
    honor_labels: true,
    honor_timestamps: true,
    ...(reader === "victoriametrics" && { no_stale_markers: true }),
    ...targetsIn(proxies),
  };
}

function httpSdJob(proxies: readonly URL[], settings: object) {
  const instance = [`${prefix}service`, `${prefix}replica`];
  return {
    job_name: "services",
    ...schemeOf(proxies),
    http_sd_configs: proxies.map((proxy) => ({ url: `${proxy.origin}/discovery`, ...settings })),
    relabel_configs: [
      { source_labels: [`${prefix}service`], target_label: "job" },
      { source_labels: instance, separator: ".", target_label: "instance" },
    ],
  };
}

/**
 * The names of services on one proxy. `scraped`: with current or expected metrics on the node of the proxy. `known`: the
 * same on any node. `served`: all that the proxy serves, whichever node scrapes them.
 */
async function servicesOf(proxy: URL, settings: ReturnType<typeof requestSettings>) {
  try {
    const { statusCode, body } = await request(new URL("/targets", proxy), {
      ...settings,
      signal: AbortSignal.timeout(timeout),
    });
    if (statusCode !== 200) throw new AppError(`the response has status ${statusCode}`);
    const { targets, services } = targetsSchema.parse(await body.json());
    const known = targets.filter(hasMetrics);
    const own = known.filter(({ provider }) => provider !== undefined);
    const jobsOf = (list: readonly { job: string }[]) => new Set(list.map(({ job }) => job));
    return { scraped: jobsOf(own), known: jobsOf(known), served: jobsOf(services) };
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

const federate = [
  "One job for all services. Every sample has the job, the instance and the time of its source, so it is stored once,",
  "however many proxies send it. List all nodes: the metrics of global services are not replicated.",
  "",
  "Must not change: honor_labels and honor_timestamps.",
  "scrape_interval: at most the SCRAPE_INTERVAL of the proxies, so that no scrape is missed.",
  "history: the seconds of samples in each response; 3 intervals, so that nothing is lost if one or two scrapes fail.",
  'For restarts of up to ten minutes: HISTORY=600 on all proxies, and history: ["600"] here.',
];

const federateInPrometheus = [
  "Do not set track_timestamps_staleness: whenever one proxy fails, it would hide the series of all nodes until their next",
  "sample. Do not set out_of_order_time_window: one sample older than the window makes the whole scrape fail.",
];

const federateInVictoriaMetrics = [
  "Run VictoriaMetrics with -dedup.minScrapeInterval=1ms (in a cluster vmselect and vmstorage), whatever scrapes: otherwise",
  "it stores every sample several times. With 1ms, nothing else is removed.",
  "no_stale_markers must not change: whenever one proxy fails, markers would end the series of all nodes.",
];

const statically = [
  "One job per service. Each proxy serves the replicas that it scrapes itself (own), each sample with job and instance.",
  "List all proxies, and print this again when there are new services or nodes.",
  "",
  "Must not change: honor_labels, own (otherwise replicas are counted once per proxy) and instance.",
  "scrape_interval: the SCRAPE_INTERVAL of the proxies. With another one, rates vary from scrape to scrape.",
];

const httpSd = [
  "The proxies list one target per replica. List all proxies, unless each has an ADVERTISE_ADDRESS.",
  "",
  "Must not change: job and instance. With a label for the node, a replica that moves would begin new series.",
  "scrape_interval: the SCRAPE_INTERVAL of the proxies. With another one, rates vary from scrape to scrape.",
];

/** The comments of a printed configuration: what must not change, and why. */
function commentsFor(style: ConfigStyle, reader: ConfigReader): readonly string[] {
  if (style === "static") return statically;
  if (style === "http-sd") return httpSd;
  return [...federate, ...(reader === "prometheus" ? federateInPrometheus : federateInVictoriaMetrics)];
}
