import type { Explored } from "./explore.js";
import type { Fault } from "./fault.js";
import { minimise } from "./minimise.js";
import { defaultInputLimits, type InputLimits, WatchedWorker } from "./watched-worker.js";

export interface CampaignOptions {
  /** The compiled module of the subject. */
  readonly file: string;
  readonly seed: number;
  readonly milliseconds: number;
  readonly corpus: readonly Buffer[];
  readonly limits?: InputLimits;
  /** Called when a kind of failure occurs for the first time. */
  readonly onFailure?: (fault: Fault) => void;
  readonly onInteresting?: (input: Buffer) => void;
}

/** A failure, once for all inputs that fail alike. */
export interface Failure {
  readonly fault: Fault;
  /** As short as it could be made. */
  readonly input: Buffer;
  /** Whether it fails by itself, not only after those before it. */
  readonly alone: boolean;
  /** How often it came up. */
  readonly times: number;
}

export interface Report extends Explored {
  readonly failures: readonly Failure[];
  /** Memory of the process in bytes at the end. */
  readonly memory: number;
}

/** So many failures of one kind end it: the time is better used once they are mended. */
const maxEnds = 3;
const maxFailures = 20;
/** Attempts to make an input shorter, and their milliseconds: an input that hangs takes long at every attempt. */
const maxAttempts = 3000;
const maxShorteningMs = 60_000;

/** Fuzzes one subject for some time. A thread that had to be ended is followed by another one. */
export async function campaign(options: CampaignOptions): Promise<Report> {
  const { file, milliseconds, limits = defaultInputLimits } = options;
  const found = new Map<string, { fault: Fault; input: Buffer; times: number }>();
  const note = (input: Buffer, fault: Fault) => {
    const known = found.get(fault.kind);
    if (known === undefined) {
      if (found.size >= maxFailures) return;
      found.set(fault.kind, { fault, input, times: 1 });
      options.onFailure?.(fault);
    } else {
      known.times++;
      if (input.length < known.input.length) Object.assign(known, { fault, input });
    }
  };

  const corpus = [...options.corpus];
  const total = { executions: 0, corpus: 0, blocks: 0, slowest: { milliseconds: 0, bytes: 0 } };
  const until = performance.now() + milliseconds;
  let ends = 0;
  for (let round = 0; performance.now() < until && ends < maxEnds; round++) {
    const worker = await WatchedWorker.start(file, limits);
    const work = {
      kind: "explore",
      seed: options.seed + round,
      milliseconds: until - performance.now(),
      corpus,
    } as const;
    const ended = await worker.run(work, (message) => {
      if (message.kind === "interesting") {
        corpus.push(Buffer.from(message.input));
        options.onInteresting?.(Buffer.from(message.input));
      }
      if (message.kind === "failed") note(Buffer.from(message.input), message.fault);
      if (message.kind !== "explored") return false;
      const { explored } = message;
      total.executions += explored.executions;
      Object.assign(total, { corpus: explored.corpus, blocks: explored.blocks, slowest: explored.slowest });
      return true;
    });
    await worker.stop();
    if (ended !== undefined) {
      ends++;
      note(ended.input, ended.fault);
    }
  }
  const memory = process.memoryUsage.rss();
  const failures: Failure[] = [];
  for (const failure of found.values()) {
    failures.push({ ...failure, ...(await shorten(file, failure, limits)) });
  }
  return { ...total, failures, memory };
}

async function shorten(
  file: string,
  { fault, input }: Pick<Failure, "fault" | "input">,
  limits: InputLimits,
) {
  const until = performance.now() + maxShorteningMs;
  let worker = await WatchedWorker.start(file, limits);
  const fails = async (candidate: Buffer): Promise<boolean> => {
    if (performance.now() > until) return false;
    let found: Fault | undefined;
    const ended = await worker.run({ kind: "once", input: candidate }, (message) => {
      if (message.kind === "checked") found = message.fault;
      return message.kind === "checked";
    });
    if (ended !== undefined) {
      found = ended.fault;
      worker = await WatchedWorker.start(file, limits);
    }
    return found?.kind === fault.kind;
  };
  try {
    const alone = await fails(input);
    return { alone, input: alone ? await minimise(input, fails, maxAttempts) : input };
  } finally {
    await worker.stop();
  }
}
