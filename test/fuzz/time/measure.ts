import { Federation } from "../../../src/exposition/federate.js";
import type { Format } from "../../../src/exposition/format.js";
import { merge, toText } from "../../../src/exposition/merge.js";
import type { Source } from "../../../src/exposition/source.js";
import type { Steps } from "../../../src/exposition/steps.js";
import { createValidator } from "../../../src/exposition/validator.js";
import { Random } from "../random.js";
import type { Shape } from "./shapes.js";

/** As Node reads from sockets and from gzip. */
const chunkBytes = 65_536;

/** The cost of one task with one input. */
export interface Cost {
  /** CPU time per byte of input. */
  readonly nsPerByte: number;
  /** The longest time without interruption, in milliseconds. */
  readonly longestStepMs: number;
}

/** A task: its name, and the steps it takes. */
type Task = (sources: readonly Source[]) => Steps<unknown>;

/** What the proxy does with expositions. */
export function tasksFor(format: Format): Readonly<Record<string, Task>> {
  return {
    validate,
    "merge to text": (sources) => merge(sources, "text"),
    ...(format === "openmetrics" && {
      "merge to OpenMetrics": (sources: readonly Source[]) => merge(sources, "openmetrics"),
      convert: (sources: readonly Source[]) => toText(sources[0]!.bytes),
    }),
    federate,
  };
}

/** The sources of a shape, with about `bytes` bytes in total. */
export function sourcesOf({ format, make, sources = 2 }: Shape, bytes: number): Source[] {
  return Array.from({ length: sources }, (_, index) => ({
    bytes: Buffer.from(make(bytes / sources, new Random(index), index)),
    format,
    labels: [
      ["job", "shop_web"],
      ["instance", `shop_web.${index}`],
    ],
  }));
}

/** Runs a task several times and returns the lowest costs, because other programs can only increase them. */
export function measure(task: Task, sources: readonly Source[], runs: number): Cost {
  const bytes = sources.reduce((sum, source) => sum + source.bytes.length, 0);
  let nsPerByte = Infinity;
  let longestStepMs = Infinity;
  for (let run = 0; run < runs; run++) {
    const cpu = process.cpuUsage();
    longestStepMs = Math.min(longestStepMs, longestStep(task(sources)));
    const { user, system } = process.cpuUsage(cpu);
    nsPerByte = Math.min(nsPerByte, (1000 * (user + system)) / bytes);
  }
  return { nsPerByte, longestStepMs };
}

function longestStep(steps: Steps<unknown>): number {
  let longest = 0;
  for (let before = performance.now(); ; ) {
    const { done } = steps.next();
    const now = performance.now();
    longest = Math.max(longest, now - before);
    before = now;
    if (done) return longest;
  }
}

/** A step is a chunk, because the scraper yields after each. */
function* validate(sources: readonly Source[]): Steps<void> {
  for (const { bytes, format } of sources) {
    const validator = createValidator(format);
    for (let pos = 0; pos < bytes.length; pos += chunkBytes) {
      validator.push(bytes.subarray(pos, pos + chunkBytes));
      yield;
    }
    const verdict = validator.end();
    if (!verdict.ok) throw new Error(`invalid input: line ${verdict.line}: ${verdict.reason}`);
    yield;
  }
}

function* federate(sources: readonly Source[]): Steps<void> {
  const federation = new Federation("text");
  for (const source of sources) yield* federation.add({ ...source, timestamp: 1_700_000_000_000 });
}
