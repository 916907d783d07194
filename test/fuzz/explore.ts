import { setImmediate as yieldToOthers } from "node:timers/promises";
import fc from "fast-check";
import { attempt } from "./attempt.js";
import type { Coverage } from "./coverage.js";
import type { Fault } from "./fault.js";
import { mutate } from "./mutate.js";
import { Random } from "./random.js";
import type { Subject } from "./subject.js";

/** What happens on the way. */
export interface Progress {
  /** Called before an input is tried, so that the input is known if the subject hangs. */
  readonly trying: (input: Buffer) => void;
  /** An input that reached code that none before it has. */
  readonly interesting: (input: Buffer) => void;
  readonly failed: (input: Buffer, fault: Fault) => void;
}

export interface ExploreOptions {
  readonly seed: number;
  /** `performance.now()` at which to end. */
  readonly until: number;
  /** Inputs beside the subject's own seeds. */
  readonly corpus: readonly Buffer[];
  readonly coverage: Coverage;
  readonly progress: Progress;
}

export interface Explored {
  readonly executions: number;
  readonly corpus: number;
  readonly blocks: number;
  /** The input that took longest: milliseconds of CPU time and its size in bytes. */
  readonly slowest: { readonly milliseconds: number; readonly bytes: number };
}

/** Inputs between two looks at the coverage, which take some milliseconds each. */
const batchSize = 300;
const defaultMaxBytes = 16 * 1024;

/**
 * Tries inputs until the time is over: seeds first, then what is made of them. What reaches new code becomes
 * material itself, so that the inputs get further and further in.
 */
export async function explore(subject: Subject, options: ExploreOptions): Promise<Explored> {
  const { coverage, progress, until } = options;
  const random = new Random(options.seed);
  const maxBytes = subject.maxBytes ?? defaultMaxBytes;
  const words = subject.words.map((word) => Buffer.from(word, "latin1"));
  const corpus: Buffer[] = [];
  let executions = 0;
  let slowest = { milliseconds: 0, bytes: 0 };

  const tryOne = async (input: Buffer): Promise<void> => {
    executions++;
    progress.trying(input);
    const { fault, cpuMs } = await attempt(subject, input);
    if (fault !== undefined) progress.failed(input, fault);
    if (cpuMs > slowest.milliseconds) slowest = { milliseconds: cpuMs, bytes: input.length };
  };

  /** Tries a batch; of one that reached new code finds out which inputs did, by halves. */
  const tryAll = async (batch: readonly Buffer[]): Promise<void> => {
    for (const input of batch) await tryOne(input);
    // What waits for the event loop gets its turn: some of Node's memory is given back only there.
    await yieldToOthers();
    const fresh = coverage.fresh();
    if (fresh.length === 0) return;
    if (batch.length === 1) {
      coverage.keep(fresh);
      corpus.push(batch[0]!);
      progress.interesting(batch[0]!);
      return;
    }
    await tryAll(batch.slice(0, batch.length / 2));
    await tryAll(batch.slice(batch.length / 2));
    // Code that ran only because of the order of the inputs is attributed to no input.
    coverage.keep(fresh);
  };

  const seeds = [...(await subject.seeds()), ...options.corpus];
  corpus.push(...seeds);
  for (let at = 0; at < seeds.length && performance.now() < until; at += batchSize)
    await tryAll(seeds.slice(at, at + batchSize));
  while (performance.now() < until) {
    const made = subject.madeUp === undefined ? [] : sample(subject.madeUp, random.next(), batchSize / 6);
    const batch = Array.from({ length: batchSize }, (_, index) => {
      const parent = made[index] ?? pickParent(corpus, random);
      // Every other one that was made up is tried as it is.
      if (index < made.length && index % 2 === 0) return parent;
      return mutate(parent, { random, words, other: pickParent(corpus, random), maxBytes });
    });
    await tryAll(batch);
  }
  return { executions, corpus: corpus.length, blocks: coverage.size, slowest };
}

/** One of the corpus, of the newest tenth as often as of all. */
function pickParent(corpus: readonly Buffer[], random: Random): Buffer {
  const newest = Math.ceil(corpus.length / 10);
  const index =
    random.below(2) === 0 ? corpus.length - 1 - random.below(newest) : random.below(corpus.length);
  return corpus[index] ?? Buffer.alloc(0);
}

function sample(arbitrary: fc.Arbitrary<Buffer>, seed: number, count: number): Buffer[] {
  return fc.sample(arbitrary, { seed: seed | 0, numRuns: count });
}
