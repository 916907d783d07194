import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineSplitter, lineTooLong } from "../../../src/discovery/docker/line-splitter.js";

function split(chunks: readonly Buffer[], maxBytes = 1000) {
  const splitter = new LineSplitter(maxBytes);
  return chunks.flatMap((chunk) => splitter.push(chunk));
}

describe("LineSplitter", () => {
  it("returns complete, non-empty lines", () => {
    expect(split([Buffer.from('{"a":1}\n\r\n{"b":'), Buffer.from('2}\r\n{"c"')])).toEqual([
      '{"a":1}',
      '{"b":2}',
    ]);
  });

  it("replaces a line that exceeds the limit", () => {
    expect(split([Buffer.from("abcde\nabcdef\nx\n")], 5)).toEqual(["abcde", lineTooLong, "x"]);
  });

  it("returns the same lines for all chunk boundaries", () => {
    const text = fc.array(fc.string({ unit: "binary", maxLength: 12 }), { maxLength: 12 });
    const cuts = fc.array(fc.nat(200), { maxLength: 12 });
    fc.assert(
      fc.property(text, cuts, (lines, positions) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const sorted = [...new Set(positions.map((position) => Math.min(position, bytes.length)))].sort(
          (a, b) => a - b,
        );
        const chunks = [...sorted, bytes.length].map((end, index) =>
          bytes.subarray(sorted[index - 1] ?? 0, end),
        );
        expect(split(chunks, 10)).toEqual(split([bytes], 10));
      }),
    );
  });
});
