import { createServer, get, type Agent as HttpAgent } from "node:http";
import type { AddressInfo } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createGunzip } from "node:zlib";
import { textType } from "../support/target-server.js";
import { runChild } from "./child.js";
import { missingScrapes } from "./missing-scrapes.js";

/** Services with one replica, and services with four: 50 targets in total. */
const singles = 10;
const services = 10;
const replicas = 4;
const seconds = 1000;
const probeEvery = 0.05 * seconds;
const requestEvery = 5 * seconds;
const readMetricsEvery = 2.5 * seconds;
/** As Prometheus' default. */
const timeout = 10 * seconds;

export interface HonestTarget {
  readonly job: string;
  readonly instance: string;
  readonly port: number;
}

/** What the honest client saw since the command `begin`. */
export interface HonestFigures {
  /** Milliseconds, in ascending order. */
  readonly healthy: readonly number[];
  readonly healthyFailures: Readonly<Record<string, number>>;
  /** The longest one of each ten seconds, in milliseconds. */
  readonly healthyMaxima: readonly number[];
  readonly responses: readonly number[];
  readonly responseFailures: Readonly<Record<string, number>>;
  readonly everything: readonly number[];
  readonly everythingFailures: Readonly<Record<string, number>>;
  /** Scrapes that the targets expected, received, and that the proxy did not complete in time. */
  readonly scrapes: { readonly received: number; readonly notRequested: number; readonly notCached: number };
  /** Seconds: the oldest honest data in a response. */
  readonly oldest: number;
  /** Seconds: the event loop delay that the proxy reported. */
  readonly delay: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Seconds: how late this process itself was, which limits the precision of all times. */
  readonly ownDelay: number;
}

interface Target extends HonestTarget {
  /** When it was scraped, in milliseconds. */
  readonly scraped: number[];
  /** When its cached scrapes were made, as the proxy reports it, in milliseconds. */
  readonly cached: number[];
}

const targets: Target[] = [];

async function startTarget(job: string, instance: string): Promise<void> {
  const scraped: number[] = [];
  const lines = Array.from({ length: 100 }, (_, index) => `honest_requests_total{path="/${index}"} `);
  const server = createServer((_request, response) => {
    scraped.push(Date.now());
    response.setHeader("content-type", textType);
    response.end(
      `honest_time ${Date.now()}\n# TYPE honest_requests_total counter\n${lines.map((line) => `${line}${scraped.length}\n`).join("")}`,
    );
  });
  server.keepAliveTimeout = 60 * seconds;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  targets.push({ job, instance, port: (server.address() as AddressInfo).port, scraped, cached: [] });
}

interface Read {
  readonly status: string;
  readonly text: string;
  readonly duration: number;
}

/** Requests a path on a new connection. Never rejects: an error is a status. */
function read(url: string, limit: number, keepText = true, signal?: AbortSignal): Promise<Read> {
  const begun = performance.now();
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const finish = (status: string) => {
      clearTimeout(timer);
      request.destroy();
      const text = Buffer.concat(chunks).toString();
      resolve({ status, text, duration: performance.now() - begun });
    };
    const headers = { "accept-encoding": "gzip", accept: textType };
    const options = { agent: false as unknown as HttpAgent, headers, ...(signal && { signal }) };
    const request = get(url, options, (response) => {
      const body = response.headers["content-encoding"] === "gzip" ? response.pipe(createGunzip()) : response;
      body.on("data", (chunk) => void (keepText && chunks.push(chunk)));
      for (const part of [response, body]) part.on("error", ({ message }) => finish(message));
      body.on("end", () => finish(String(response.statusCode)));
    });
    const timer = setTimeout(() => finish("timeout"), limit);
    request.on("error", ({ message }) => finish(message));
  });
}

class Requests {
  durations: number[] = [];
  failures: Record<string, number> = {};

  add({ status, duration }: Pick<Read, "status" | "duration">): void {
    this.durations.push(duration);
    if (status !== "200") this.failures[status] = (this.failures[status] ?? 0) + 1;
  }

  clear(): void {
    this.durations = [];
    this.failures = {};
  }

  get sorted(): number[] {
    return this.durations.sort((a, b) => a - b);
  }
}

const healthy = new Requests();
const responses = new Requests();
const everything = new Requests();
const healthyMaxima: number[] = [];
/** Aborted when the loads end: what is requested before that contains their metrics. */
const loaded = new AbortController();
let begunAt = 0;
let oldest = 0;
let delays: { p50: number; p99: number; max: number }[] = [];
const ownDelay = monitorEventLoopDelay({ resolution: 10 });

/** Requests a path again and again, whether or not the previous response has arrived. */
function every(milliseconds: number, offset: number, action: () => Promise<void>): void {
  setTimeout(() => setInterval(() => void action(), milliseconds), offset);
}

function startClient(url: string, interval: number): void {
  every(probeEvery, 0, async () => {
    const slot = Math.floor((Date.now() - begunAt) / (10 * seconds));
    const probe = await read(`${url}/-/healthy`, 60 * seconds);
    healthy.add(probe);
    healthyMaxima[slot] = Math.round(Math.max(healthyMaxima[slot] ?? 0, probe.duration));
  });
  every(readMetricsEvery, 0, async () => noteMetrics((await read(`${url}/metrics`, 60 * seconds)).text));
  every(interval, 0, async () => {
    if (loaded.signal.aborted) return;
    everything.add(await read(`${url}/federate`, 60 * seconds, false, loaded.signal));
  });
  const jobs = [...new Set(targets.map(({ job }) => job))];
  const paths = [
    ...jobs.map((job) => `/${job}/metrics`),
    `/federate?${jobs.map((job) => `name=${job}`).join("&")}`,
  ];
  for (const [index, path] of paths.entries())
    every(requestEvery, (index * requestEvery) / paths.length, async () =>
      noteResponse(await read(url + path, timeout), path),
    );
}

/** A response that lacks a replica counts as a failure. */
function noteResponse({ status, text, duration }: Read, path: string): void {
  const times = [...text.matchAll(/^honest_time\S* (\d+)/gm)].map(([, time]) => Number(time));
  const expected = targets.filter(
    ({ job }) => path.startsWith("/federate") || path === `/${job}/metrics`,
  ).length;
  if (times.length > 0) oldest = Math.max(oldest, Date.now() - Math.min(...times));
  responses.add({ status: status === "200" && times.length < expected ? "incomplete" : status, duration });
}

function noteMetrics(text: string): void {
  const value = (name: string) => Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1] ?? Number.NaN);
  // Earlier versions have only the metrics of prom-client, which include the interval of the measurement.
  const delay = (quantile: string, former: string) => {
    const own = value(`app_metrics_proxy_event_loop_delay_seconds\\{quantile="${quantile}"\\}`);
    return Number.isNaN(own) ? value(`nodejs_eventloop_lag_${former}_seconds`) - 0.01 : own;
  };
  if (text !== "")
    delays.push({ p50: delay("0.5", "p50"), p99: delay("0.99", "p99"), max: delay("1", "max") });
  for (const { job, instance, cached } of targets) {
    const series = `app_metrics_proxy_target_last_success_timestamp_seconds\\{name="${job}",replica="${instance}"\\}`;
    const time = value(series) * seconds;
    if (!Number.isNaN(time) && time !== cached.at(-1)) cached.push(time);
  }
}

function figures(interval: number): HonestFigures {
  const now = Date.now();
  const sum = (count: (target: Target) => number) =>
    targets.reduce((total, target) => total + count(target), 0);
  return {
    healthy: healthy.sorted,
    healthyFailures: healthy.failures,
    healthyMaxima: Array.from(healthyMaxima, (maximum) => maximum ?? Number.NaN),
    responses: responses.sorted,
    responseFailures: responses.failures,
    everything: everything.sorted,
    everythingFailures: everything.failures,
    scrapes: {
      received: sum(({ scraped }) => scraped.filter((time) => time >= begunAt).length),
      notRequested: sum(({ scraped }) => missingScrapes(scraped, begunAt, now, interval)),
      notCached: sum(({ cached }) => missingScrapes(cached, begunAt, now - readMetricsEvery, interval)),
    },
    oldest: oldest / seconds,
    delay: {
      p50: median(delays.map(({ p50 }) => p50)),
      p99: median(delays.map(({ p99 }) => p99)),
      max: Math.max(0, ...delays.map(({ max }) => max)),
    },
    ownDelay: ownDelay.max / 1e9,
  };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

await runChild(false, async (options: { readonly interval: number }) => {
  const interval = options.interval * seconds;
  for (let index = 1; index <= singles; index++) await startTarget(`honest-${index}`, "1");
  for (let index = 1; index <= services; index++)
    for (let replica = 1; replica <= replicas; replica++) await startTarget(`shop-${index}`, String(replica));
  const ready = targets.map(({ job, instance, port }) => ({ job, instance, port }));
  return {
    ready,
    commands: {
      /** Starts the client. */
      request: (url) => {
        startClient(url, interval);
        return figures(interval);
      },
      /** Discards the figures so far. */
      begin: () => {
        for (const requests of [healthy, responses, everything]) requests.clear();
        [begunAt, oldest, delays] = [Date.now(), 0, []];
        healthyMaxima.length = 0;
        ownDelay.enable();
        ownDelay.reset();
        return figures(interval);
      },
      end: () => {
        const result = figures(interval);
        loaded.abort();
        return result;
      },
    },
  };
});
