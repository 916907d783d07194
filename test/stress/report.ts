import type { HonestFigures } from "./honest.js";

const mebibyte = 1024 * 1024;

/** All figures of a run. */
export interface Figures {
  readonly seconds: number;
  readonly honest: HonestFigures;
  readonly budget: number;
  readonly peakMemory: number;
  readonly peerPeakMemory: number;
  /** CPU seconds per second under load. */
  readonly cpu: number;
  readonly before: State;
  readonly after: State;
  /** Whether the process still runs. */
  readonly alive: boolean;
}

interface State {
  readonly memory: number;
  readonly files: number;
  readonly connections: number;
  /** CPU seconds per second. */
  readonly cpu: number;
}

/** The limits of the acceptance test. */
const limits = { healthyP99: 100, healthyMax: 500, responseP99: 1000, files: 10, cpu: 0.5 };

interface Row {
  readonly what: string;
  readonly value: string;
  readonly limit?: string;
  readonly ok?: boolean;
}

/** Prints the figures as a table. @returns whether all limits are observed */
export function report(figures: Figures): boolean {
  const { honest, budget, before, after } = figures;
  // The budget covers what is cached, received and sent. The default is half of a container's memory limit.
  const maxMemory = 2 * budget;
  const rows: Row[] = [
    below("/-/healthy, 99th percentile", quantile(honest.healthy, 0.99), limits.healthyP99, milliseconds),
    below("/-/healthy, maximum", honest.healthy.at(-1), limits.healthyMax, milliseconds),
    { what: "/-/healthy, median", value: milliseconds(quantile(honest.healthy, 0.5)) },
    { what: "/-/healthy, maximum of each 10 s, in ms", value: honest.healthyMaxima.join(" ") },
    none("/-/healthy, failures", honest.healthyFailures),
    { what: "honest scrapes received", value: String(honest.scrapes.received) },
    zero("honest scrapes lost: not requested", honest.scrapes.notRequested),
    zero("honest scrapes lost: not in the cache", honest.scrapes.notCached),
    { what: "oldest honest data served", value: `${honest.oldest.toFixed(1)} s` },
    { what: "honest responses, number", value: String(honest.responses.length) },
    { what: "honest responses, median", value: milliseconds(quantile(honest.responses, 0.5)) },
    below(
      "honest responses, 99th percentile",
      quantile(honest.responses, 0.99),
      limits.responseP99,
      milliseconds,
    ),
    { what: "honest responses, maximum", value: milliseconds(honest.responses.at(-1)) },
    none("honest responses, failures", honest.responseFailures),
    { what: "/federate with everything, median", value: milliseconds(quantile(honest.everything, 0.5)) },
    { what: "/federate with everything, failures", value: counts(honest.everythingFailures) },
    below("memory, peak", figures.peakMemory, maxMemory, megabytes),
    { what: "memory of the peer, peak", value: megabytes(figures.peerPeakMemory) },
    { what: "CPU", value: `${figures.cpu.toFixed(2)} cores` },
    { what: "event loop delay, median of the medians", value: seconds(honest.delay.p50) },
    { what: "event loop delay, median of the 99th percentiles", value: seconds(honest.delay.p99) },
    { what: "event loop delay, maximum", value: seconds(honest.delay.max) },
    { what: "10 s later: connections", ...left(before.connections, after.connections) },
    { what: "10 s later: open files", ...left(before.files, after.files) },
    { what: "10 s later: memory", value: `${megabytes(after.memory)} (before: ${megabytes(before.memory)})` },
    below("10 s later: CPU", after.cpu, limits.cpu, (cores) => `${cores.toFixed(2)} cores`),
    { what: "running at the end", value: figures.alive ? "yes" : "no", limit: "yes", ok: figures.alive },
    { what: "delay of the measuring process, maximum", value: seconds(honest.ownDelay) },
  ];
  const budgetText = `MEMORY_MAX_BYTES ${megabytes(budget)}`;
  console.log(`\n${Math.round(figures.seconds)} s, ${budgetText}\n\n| | | limit | |\n|---|---|---|---|`);
  for (const { what, value, limit = "", ok } of rows)
    console.log(`| ${what} | ${value} | ${limit} | ${ok === undefined ? "" : ok ? "ok" : "EXCEEDED"} |`);
  return rows.every(({ ok }) => ok !== false);
}

function below(
  what: string,
  value: number | undefined,
  limit: number,
  format: (value: number) => string,
): Row {
  if (value === undefined) return { what, value: "none", ok: false };
  return { what, value: format(value), limit: format(limit), ok: value <= limit };
}

function zero(what: string, value: number): Row {
  return { what, value: String(value), limit: "0", ok: value === 0 };
}

function none(what: string, failures: Readonly<Record<string, number>>): Row {
  return { what, value: counts(failures), limit: "none", ok: Object.keys(failures).length === 0 };
}

function left(before: number, after: number): Omit<Row, "what"> {
  const most = before + limits.files;
  return { value: `${after} (before: ${before})`, limit: String(most), ok: after <= most };
}

/** @param sorted in ascending order. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

function counts(failures: Readonly<Record<string, number>>): string {
  return (
    Object.entries(failures)
      .map(([status, count]) => `${count} × ${status}`)
      .join(", ") || "none"
  );
}

function milliseconds(value = Number.NaN): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

function seconds(value: number): string {
  return milliseconds(1000 * value);
}

function megabytes(value: number): string {
  return `${Math.round(value / mebibyte)} MiB`;
}
