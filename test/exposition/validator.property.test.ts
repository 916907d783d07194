import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Format } from "../../src/exposition/format.js";
import { createValidator, type Validator, type Verdict } from "../../src/exposition/validator.js";
import { validate, validateUnknown } from "../support/validate.js";
import { openMetricsExposition, textExposition } from "./arbitrary.js";
import { corpus, onlyPrometheus3 } from "./corpus.js";

/** Validates a text in pieces of these sizes. */
function inPieces(validator: Validator, bytes: Buffer, sizes: readonly number[]): Verdict {
  let pos = 0;
  for (let index = 0; pos < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? 1;
    // Overwrite each piece after use, because a validator must not retain it.
    const piece = Buffer.from(bytes.subarray(pos, pos + size));
    if (!validator.push(piece)) break;
    piece.fill(0);
    pos += size;
  }
  return validator.end();
}

const pieceSizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 20 });
const expositions: readonly [Format, typeof textExposition][] = [
  ["text", textExposition],
  ["openmetrics", openMetricsExposition],
];

describe.each(expositions)("validation of generated input in the format %s", (format, exposition) => {
  it("succeeds and counts every sample", () => {
    fc.assert(
      fc.property(exposition, ({ content, samples }) => {
        expect(validate(Buffer.from(content), format)).toEqual({ ok: true, format, samples });
      }),
      { numRuns: 500 },
    );
  });

  it("has the same result in pieces of any size, also for damaged input", () => {
    const damage = fc.tuple(
      fc.nat(),
      fc.constantFrom("", "\n", '"', "\\", "{", "}", " ", "#", "\0", "\u00ff", "x"),
    );
    fc.assert(
      fc.property(exposition, fc.option(damage), pieceSizes, ({ content }, damaged, sizes) => {
        const bytes = damaged === null ? Buffer.from(content) : broken(Buffer.from(content), ...damaged);
        expect(inPieces(createValidator(format), bytes, sizes)).toEqual(validate(bytes, format));
        expect(inPieces(createValidator(undefined), bytes, sizes)).toEqual(validateUnknown(bytes));
      }),
      { numRuns: 500 },
    );
  });
});

describe("truncated OpenMetrics", () => {
  it("is invalid", () => {
    fc.assert(
      fc.property(openMetricsExposition, fc.nat(), ({ content }, cut) => {
        const bytes = Buffer.from(content);
        // Without only the last line feed, it is still complete.
        const kept = bytes.subarray(0, cut % (bytes.length - 1));
        expect(validate(kept, "openmetrics").ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});

describe("validation of the corpus", () => {
  const files = [...corpus, ...onlyPrometheus3].filter((file) => file.bytes.length < 10_000);

  it("has the same result in pieces of one to seven bytes", () => {
    for (const file of files) {
      const whole = validate(file.bytes, file.format);
      for (let size = 1; size <= 7; size++) {
        expect(inPieces(createValidator(file.format), file.bytes, [size]), file.name).toEqual(whole);
      }
    }
  });
});

/** Replaces one byte, or removes it if `byte` is empty. */
function broken(bytes: Buffer, at: number, byte: string): Buffer {
  const pos = at % Math.max(bytes.length, 1);
  return Buffer.concat([bytes.subarray(0, pos), Buffer.from(byte, "latin1"), bytes.subarray(pos + 1)]);
}
