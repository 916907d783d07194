import { afterAll, describe, expect, it } from "vitest";
import { Coverage } from "./coverage.js";
import { explore } from "./explore.js";
import { minimise } from "./minimise.js";
import { planted } from "./planted.js";
import { inPieces } from "./random.js";

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
