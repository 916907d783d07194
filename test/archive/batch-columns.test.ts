import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AttemptColumns,
  columnsSchema,
  maxAttempts,
  readColumns,
  writeColumns,
} from "../../src/archive/batch-columns.js";
import { anyAttempt, failure, success } from "../support/publications.js";

const columns = writeColumns([
  success("docker:1", 1000),
  failure("docker:2", "timeout"),
  success("docker:3", 1001),
]);

/** Reads columns as a receiver does. */
function receive(value: unknown): ReturnType<typeof readColumns> {
  const parsed = columnsSchema.safeParse(JSON.parse(JSON.stringify(value)));
  return parsed.success ? readColumns(parsed.data) : undefined;
}

function changed(fields: Partial<Record<keyof AttemptColumns, unknown>>): unknown {
  return { ...columns, ...fields };
}

describe("columns", () => {
  it("round-trip (property)", () => {
    fc.assert(
      fc.property(fc.array(anyAttempt, { maxLength: 50 }), (attempts) => {
        expect(receive(writeColumns(attempts))).toEqual(attempts);
      }),
    );
  });

  it("contain scrapes without samples", () => {
    const { outcome, ...attempt } = success("docker:1", 1000);
    const empty = { ...attempt, outcome: { ...outcome, size: 0, samples: 0 } };
    expect(receive(writeColumns([empty]))).toEqual([empty]);
  });

  it("round milliseconds, and times that are slightly negative to 0", () => {
    const [attempt] = receive(writeColumns([success("docker:1", 1, { ago: -0.4, duration: 0.0124 })]))!;
    expect(attempt).toMatchObject({ ago: 0, duration: 0.012 });
  });

  it("name each reason and content type once", () => {
    const attempts = Array.from({ length: 10 }, (_, index) => failure(`docker:${index}`, "timeout"));
    expect(writeColumns(attempts).reasons).toEqual(["timeout"]);
    expect(columns.types).toHaveLength(1);
  });

  it.each([
    ["a column that is too short", { ago: [0, 0] }],
    ["a column that is too long", { duration: [0, 0, 0, 0] }],
    ["a success without a scrape", { scrape: [1] }],
    ["a scrape without a success", { scrape: [1, 1, 1] }],
    ["an attempt without an outcome", { failure: [-1, 0] }],
    ["an unknown reason", { failure: [-1, 1, -1] }],
    ["a negative reason", { failure: [-2, 0, -1] }],
    ["a reason with a fraction", { failure: [-1, 0.5, -1] }],
    ["an unknown content type", { type: [0, 1] }],
    ["a content type with a fraction", { type: [0, 0.5] }],
    ["a negative content type", { type: [-1, 0] }],
    ["a negative target key", { target: [-1, 2, 3] }],
    ["a target key above 40 bits", { target: [2 ** 40, 0, 0] }],
    ["a target key with a fraction", { target: [0.5, 0.5, 1] }],
    ["a scrape number of 2^52", { scrape: [2 ** 52 / 1000, -1], scrapeRest: [0, 0] }],
    ["a scrape number of 2^52 by differences", { scrape: [2 ** 43, 1] }],
    ["a scrape number of 0", { scrape: [0, 1], scrapeRest: [0, 0] }],
    ["a negative age", { ago: [-1, 0, 0] }],
    ["an age of more than a thousand years", { ago: [1e15, 0, 0] }],
    ["a negative duration", { duration: [-1, 0, 0] }],
    ["a negative size", { size: [-1, 5] }],
    ["a size with a fraction", { size: [0.5, 5] }],
    ["a size beyond safe integers", { size: [2 ** 53, 5] }],
    ["a negative number of samples", { samples: [-1, 1] }],
    ["text instead of a number", { ago: ["0", 0, 0] }],
    ["null instead of a number", { ago: [null, 0, 0] }],
    ["a nested column", { ago: [[0], 0, 0] }],
    ["an object instead of a column", { ago: { length: 3 } }],
    ["a missing column", { ago: undefined }],
    ["a reason with a line break", { reasons: ["a\nb"] }],
    ["a reason that is too long", { reasons: ["x".repeat(1001)] }],
    ["a content type with a line break", { types: ["text/plain\r\nx: y"] }],
    ["a content type of another format", { types: ["text/html"] }],
    ["too many attempts", { target: new Array(maxAttempts + 1).fill(0) }],
  ])("with %s are rejected", (_, fields) => {
    expect(receive(columns)).toHaveLength(3);
    expect(receive(changed(fields))).toBeUndefined();
  });

  it("are read or rejected, for any values (property)", () => {
    const column = fc.array(fc.oneof(fc.nat(3), fc.integer(), fc.double()), { maxLength: 4 });
    const anyColumns = fc.record({
      ...{ target: column, ago: column, duration: column, failure: column, scrape: column },
      ...{ size: column, samples: column, type: column },
      reasons: fc.array(fc.constant("timeout"), { maxLength: 2 }),
      types: fc.array(fc.constant("text/plain"), { maxLength: 2 }),
    });
    fc.assert(
      fc.property(anyColumns, (value) => {
        const attempts = receive(value);
        if (attempts !== undefined) expect(receive(writeColumns(attempts))).toHaveLength(attempts.length);
      }),
    );
  });
});
