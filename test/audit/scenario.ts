import { setTimeout as sleep } from "node:timers/promises";
import type { MetricsServer } from "../support/prometheus-versions.js";
import type { Fault } from "./faults.js";
import { Group } from "./group.js";
import { configFor } from "./printed-config.js";
import { type RateErrors, rateErrors } from "./rates.js";
import { Server, type Style } from "./server.js";
import { counterName, keptValues } from "./sources.js";
import { judgeUp, type UpQuestion, type UpVerdict } from "./up.js";
import {
  countUnscraped,
  type Emission,
  judgePulled,
  judgeTimestamped,
  type Question,
  type SentSample,
  type StoredSeries,
  type Verdict,
} from "./verdict.js";

/** Times of a run, in seconds. */
export interface Timeline {
  /** Before the fault. Longer than `range`, so that rates can be compared while the fault lasts. */
  readonly before: number;
  readonly after: number;
  /** The range of rate(). */
  readonly range: number;
  /** At most this long, however long the fault usually lasts. */
  readonly maxFault?: number;
}

export const fullTimeline: Timeline = { before: 68, after: 25, range: 60 };

export interface ScenarioOptions {
  readonly fault: Fault;
  readonly styles: readonly Style[];
  readonly programs: readonly MetricsServer[];
  readonly timeline: Timeline;
  /** Receives the group, to stop it if the run is aborted. */
  onGroup?(group: Group): void;
}

/** One line of the table: a fault, as one server saw it in one style. */
export interface Row {
  readonly fault: string;
  readonly style: Style | "direct";
  readonly server: string;
  readonly verdict: Verdict;
  /** How often the proxies had to scrape a source, and how often they did not. */
  readonly intervals: number;
  readonly unscraped: number;
  readonly rates: RateErrors | undefined;
  /** Of `/federate`. */
  readonly up?: UpVerdict;
  /** Whether the samples of the node that is off were left out and reported, where they must be. */
  readonly leftOut?: boolean;
}

const second = 1000;
const interval = second;
/** The default of STALE_AFTER is three intervals; one more until Prometheus scrapes. */
const maxAge = 4 * interval + 500;
const tolerance = 1000;
/** Until everything is stored after the start, and at the end. */
const settling = 5 * second;
/** VictoriaMetrics does not store NaN, negative zero and the last digits of other values, however it scrapes. */
const inexactName = "audit_odd_value";
/** Above this, Prometheus rejects samples, and the proxy leaves them out. */
const maxOffset = 600;

/** Runs sources, proxies and servers with one fault, and judges what the servers have stored. */
export async function runScenario({
  fault,
  styles,
  programs,
  timeline,
  onGroup,
}: ScenarioOptions): Promise<Row[]> {
  const group = new Group();
  onGroup?.(group);
  try {
    await group.start(fault, { HISTORY: "60" });
    await startServers(group, { fault, styles, programs });
    const begun = Date.now();
    await sleep(timeline.before * second);
    await fault.run(group, Math.min(fault.seconds, timeline.maxFault ?? Infinity) * second);
    await sleep(timeline.after * second);
    return await judge(group, fault, timeline, begun);
  } finally {
    await group.stop();
  }
}

async function startServers(
  group: Group,
  { fault, styles, programs }: Omit<ScenarioOptions, "timeline">,
): Promise<void> {
  const addresses = group.sources.map(({ port }) => `127.0.0.1:${port}`);
  const servers: Server[] = [];
  group.servers = servers;
  for (const program of programs) {
    for (const style of styles) {
      if (program.kind === "victoriametrics" && style !== "federate") continue;
      const path = `/metrics/${Server.clientName(style, program)}`;
      const options = { style, server: program, urls: group.urls, history: fault.history };
      const config = await configFor(options, { path, addresses });
      servers.push(await Server.create(style, program, config, group.folder));
    }
  }
  await Promise.all(servers.map((server) => server.start()));
}

async function judge(group: Group, { name: fault, clock }: Fault, timeline: Timeline, begun: number) {
  const now = Date.now();
  const [from, to] = [begun + settling, now - settling];
  const ahead = (clock?.seconds ?? 0) * second;
  const offset = (source: string) => (group.namesOn("b").includes(source) ? ahead : 0);
  const tooFar = ahead > maxOffset * second ? group.namesOn("b") : [];
  const truth = new Map(group.sources.map(({ name, slope }) => [name, slope * second]));
  const common = { from, to, interval, keptValues };
  const intervals = group.names.length * Math.round((to - from) / interval);
  const unscraped = countUnscraped(
    { ...common, emissions: emissionsOf(group, ""), outages: group.outages },
    group.names,
  );
  const reported = tooFar.length === 0 ? undefined : await isReported(group, clock!.seconds);
  const rows: Row[] = [];
  for (const server of group.servers) {
    const { style, client } = server;
    const base = { fault, server: server.program.name, intervals };
    const federate = style === "federate";
    const outages = federate ? group.outages : [...group.outages, ...group.serverOutages];
    const isExact = server.program.kind === "prometheus";
    const emissions = (client: string) => emissionsOf(group, client, isExact ? undefined : inexactName);
    const names = `__name__=~"audit_.*"${isExact ? "" : `,__name__!="${inexactName}"`}`;
    const [latest, earliest] = [now + ahead + settling, begun - settling];
    const stored = await server.samples(`{${names},by=""}`, earliest, latest);
    const question: Question = { ...common, emissions: emissions(""), stored, outages };
    const up = federate
      ? await judgeUpOf(server, group, { ...common, offset, tolerance, tooFar }, latest)
      : undefined;
    const failed = up?.failed ?? [];
    const verdict = federate
      ? judgeTimestamped(
          { ...question, outages: [...outages, ...failed] },
          { offset, tolerance, leftOut: tooFar },
        )
      : judgePulled(question, { maxAge, tolerance, counter: counterName });
    const directQuestion: Question = {
      ...common,
      emissions: emissions(client),
      stored: await server.samples(`{${names},by="direct"}`, earliest, now),
      outages,
    };
    const rate = (by: string) => `sum by (src) (rate(${counterName}{by="${by}"}[${timeline.range}s]))`;
    // The first ranges would begin before the series do.
    const [first, last] = [from + (timeline.range + 2) * second, to];
    const shift = federate && tooFar.length === 0 ? offset : () => 0;
    const [rates, direct] = await Promise.all([
      server.rates(rate(""), first, last + shift("other1")),
      server.rates(rate("direct"), first, last),
    ]);
    const times: number[] = [];
    for (let time = Math.ceil(first / second) * second; time <= last; time += second) times.push(time);
    const known = new Map([...truth].filter(([source]) => !federate || !tooFar.includes(source)));
    const rateQuestion = { direct, truth: known, times, range: timeline.range * second, offset: shift };
    rows.push({
      ...base,
      style,
      verdict,
      unscraped: unscraped + failed.length,
      rates: rateErrors({ ...rateQuestion, rates, outages }),
      ...(up !== undefined && { up }),
      ...(federate && reported !== undefined && { leftOut: reported }),
    });
    rows.push({
      ...base,
      style: "direct",
      verdict: judgePulled(directQuestion, { maxAge: 2 * interval, tolerance, counter: counterName }),
      unscraped: 0,
      rates: undefined,
    });
  }
  return rows;
}

/** Judges `up` of the sources, as stored with their own job and instance. */
async function judgeUpOf(
  server: Server,
  group: Group,
  common: Pick<UpQuestion, "from" | "to" | "interval" | "offset" | "tolerance"> & {
    readonly tooFar: readonly string[];
  },
  latest: number,
): Promise<UpVerdict> {
  const all = await server.samples('up{by=""}', common.from - 2 * settling, latest);
  const stored = new Map<string, StoredSeries[]>();
  for (const { name, job, instance } of group.targets) {
    if (common.tooFar.includes(name)) continue;
    const isOwn = ({ labels }: StoredSeries) =>
      labels["job"] === job && labels["instance"] === `${job}.${instance}`;
    stored.set(name, all.filter(isOwn));
  }
  const { failures, outages } = group;
  return judgeUp({ ...common, emissions: emissionsOf(group, ""), stored, failures, outages });
}

/** What the sources sent to a client, without the series of one name. */
function emissionsOf({ sources }: Group, client: string, without?: string): Emission[] {
  const all = sources.flatMap((source) => source.emissions(client));
  if (without === undefined) return all;
  const isKept = ({ series }: SentSample) => !series.includes(JSON.stringify(without));
  return all.map((emission) => ({ ...emission, samples: emission.samples.filter(isKept) }));
}

/** Whether node a leaves out the samples of node b in /federate, and reports its clock. */
async function isReported(group: Group, seconds: number): Promise<boolean> {
  const response = await group.a.get("/federate");
  const offsets = [...(response.headers.get("x-clock-offset") ?? "").matchAll(/=(-?[\d.]+)/g)];
  const text = await response.text();
  const isListed = offsets.some(([, offset]) => Math.abs(Number(offset) - seconds) < 5);
  return isListed && !text.includes('src="other1"') && text.includes('src="one1"');
}
