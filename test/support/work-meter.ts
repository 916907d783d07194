import type { Steps } from "../../src/exposition/steps.js";

/** The work of one task. The unit is about one byte that is read, written or hashed. */
export interface Work {
  readonly total: number;
  /** The most work without interruption. */
  readonly longestStep: number;
}

/** Bytes that are copied as a whole, which is faster than one by one. */
const workPerCopiedByte = 1 / 4;
/** An insertion or a search in a Map or Set. */
const workOfLookup = 16;

/**
 * Counts the work of a task: bytes that are compared, copied, hashed, or converted to text and back, and uses of Maps and
 * Sets. Unlike time, it is the same on every machine.
 */
export function measureWork(steps: Steps<unknown>): Work {
  let work = 0;
  let total = 0;
  let longestStep = 0;
  const restore = countCalls((amount) => {
    work += amount;
  });
  try {
    for (let done: boolean | undefined = false; !done; ) {
      work = 0;
      done = steps.next().done;
      total += work;
      longestStep = Math.max(longestStep, work);
    }
  } finally {
    restore();
  }
  return { total, longestStep };
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

function countCalls(count: (amount: number) => void): () => void {
  const restores: (() => void)[] = [];
  const patch = (owner: object, name: string, workOf: (args: unknown[], result: unknown) => number): void => {
    const methods = owner as Record<string, Method>;
    const inherited = !Object.hasOwn(owner, name);
    const original = methods[name]!;
    methods[name] = function (...args) {
      const result = original.apply(this, args);
      count(workOf(args, result));
      return result;
    };
    restores.push(() => {
      if (inherited) delete methods[name];
      else methods[name] = original;
    });
  };
  const lengthOf = (value: unknown): number => (value as { length: number }).length;

  patch(DataView.prototype, "getFloat64", () => 8);
  patch(DataView.prototype, "getInt32", () => 4);
  patch(DataView.prototype, "getUint8", () => 1);
  patch(Buffer.prototype, "toString", (_, result) => lengthOf(result));
  patch(Buffer.prototype, "write", (_, result) => result as number);
  patch(Buffer.prototype, "copy", (_, result) => workPerCopiedByte * (result as number));
  patch(Uint8Array.prototype, "set", ([bytes]) => workPerCopiedByte * lengthOf(bytes));
  patch(Buffer, "concat", (_, result) => workPerCopiedByte * lengthOf(result));
  patch(String.prototype, "replace", (_, result) => lengthOf(result));
  patch(JSON, "stringify", (_, result) => lengthOf(result));
  for (const collection of [Map.prototype, Set.prototype]) {
    patch(collection, "has", () => workOfLookup);
    patch(collection, collection === Map.prototype ? "get" : "add", () => workOfLookup);
  }
  patch(Map.prototype, "set", () => workOfLookup);
  return () => {
    for (const restore of restores) restore();
  };
}
