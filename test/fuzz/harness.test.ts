import { afterAll, describe, expect, it } from "vitest";
import { attempt } from "./attempt.js";
import { Coverage } from "./coverage.js";
import { explore } from "./explore.js";
import { minimise } from "./minimise.js";
import { planted } from "./planted.js";
import { inPieces } from "./random.js";
import type { Subject } from "./subject.js";

describe("fuzzing", () => {
  const coverage = new Coverage("/planted");
  afterAll(() => coverage.close());

  it("gets byte by byte to a fault that lies behind several conditions", async () => {
    let found: Buffer | undefined;
    const exploring = explore(planted, {
      seed: 1,
      until: performance.now() + 15_000,
      corpus: [],
      coverage,
      progress: {
        trying: () => undefined,
        interesting: () => undefined,
        failed: (input) => {
          found = input;
          throw new Error("found");
        },
      },
    });
    await expect(exploring).rejects.toThrow("found");
    expect(found?.toString("latin1")).toMatch(/^FUZ/);
  });

  it("lets the event loop run between inputs, so that Node can release memory", async () => {
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    let turnedWhileExploring = false;
    await explore(
      synchronous(() => (turnedWhileExploring ||= turned)),
      {
        seed: 1,
        until: performance.now() + 300,
        corpus: [],
        coverage,
        progress: { trying: () => undefined, interesting: () => undefined, failed: () => undefined },
      },
    );
    expect(turnedWhileExploring).toBe(true);
  });

  it("finds fault with an input that has much memory set aside, though nothing is ever written to it", async () => {
    let kept: Buffer | undefined;
    const greedy = synchronous((input) => {
      kept = Buffer.alloc(input.readUInt32BE());
    });
    const { fault } = await attempt(greedy, Buffer.from([0x20, 0, 0, 0]));
    expect(fault?.kind).toBe("an input takes no more than 256 MiB");
    expect(kept).toHaveLength(0x20000000);
    expect((await attempt(greedy, Buffer.from([0, 0, 0x20, 0]))).fault).toBeUndefined();
  });

  it("makes what fails as short as it can be", async () => {
    const long = Buffer.from(`${"noise".repeat(50)}<${"noise".repeat(50)}>${"noise".repeat(50)}`);
    const fails = async (input: Buffer) => /<.*>/s.test(input.toString());
    expect((await minimise(long, fails, 3000)).toString()).toBe("<>");
  });

  it("cuts an input into pieces that make it up again, the same ones each time", () => {
    const input = Buffer.from("some bytes to be cut");
    for (const seed of [0, 1, 2]) {
      expect(Buffer.concat(inPieces(input, seed))).toEqual(input);
      expect(inPieces(input, seed)).toEqual(inPieces(input, seed));
    }
    expect(inPieces(input, 0)).toHaveLength(input.length);
  });
});

function synchronous(check: (input: Buffer) => void): Subject {
  return { name: "synchronous", seeds: () => [Buffer.from("seed")], words: [], check };
}
