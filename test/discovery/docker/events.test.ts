import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linesOf } from "../../../src/discovery/docker/events.js";

async function split(chunks: readonly Buffer[], maxLength = 1000) {
  const lines: (string | undefined)[] = [];
  for await (const line of linesOf(Readable.from(chunks), maxLength)) lines.push(line);
  return lines;
}

describe("linesOf", () => {
  it("returns complete, non-empty lines", async () => {
    expect(await split([Buffer.from('{"a":1}\n\r\n{"b":'), Buffer.from('2}\r\n{"c"')])).toEqual([
      '{"a":1}',
      '{"b":2}',
    ]);
  });

  it("replaces a line that exceeds the limit", async () => {
    expect(await split([Buffer.from("abcde\nabcdef\nx\n")], 5)).toEqual(["abcde", undefined, "x"]);
  });

  it("returns the same lines for all chunk boundaries", async () => {
    const text = fc.array(fc.string({ unit: "binary", maxLength: 12 }), { maxLength: 12 });
    const cuts = fc.array(fc.nat(200), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(text, cuts, async (lines, positions) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const sorted = [...new Set(positions.map((position) => Math.min(position, bytes.length)))].sort(
          (a, b) => a - b,
        );
        const chunks = [...sorted, bytes.length].map((end, index) =>
          bytes.subarray(sorted[index - 1] ?? 0, end),
        );
        expect(await split(chunks, 10)).toEqual(await split([bytes], 10));
      }),
    );
  });
});
