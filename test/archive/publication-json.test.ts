import { constants, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodePublication,
  encodePublication,
  faultOfTarget,
  InvalidPublicationError,
  inflatePublication,
  maxPublicationBytes,
  readPublication,
} from "../../src/archive/publication-json.js";
import {
  anyPublication,
  anyTarget,
  batch,
  publishedTarget,
  success,
  swarmDocument,
  targetsDocument,
} from "../support/publications.js";

const zip = (value: unknown) => gzipSync(typeof value === "string" ? value : JSON.stringify(value));
describe("publications", () => {
  it("round-trip as gzip-compressed JSON (property)", async () => {
    await fc.assert(
      fc.asyncProperty(anyPublication, async (publication) => {
        const { bytes, size } = encodePublication(publication);
        const decoded = await decodePublication(bytes);
        expect(decoded.publication).toEqual(publication);
        expect(decoded.size).toBe(size);
      }),
    );
  });

  it("keep labels that are named like properties of objects, except __proto__", async () => {
    const labels = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}') as Record<string, string>;
    const document = targetsDocument(1, [publishedTarget({ labels })]);
    const { publication } = await decodePublication(encodePublication(document).bytes);
    const [target] = publication.kind === "targets" ? publication.targets : [];
    expect(Object.entries(target!.labels).sort()).toEqual([
      ["constructor", "b"],
      ["toString", "c"],
    ]);
    expect(Object.getPrototypeOf(target!.labels)).toBe(Object.prototype);
  });

  it("of 1,000 unchanged attempts take at most 14.1 kB", () => {
    let seed = 1;
    const random = () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    const attempts = Array.from({ length: 1000 }, (_, index) => {
      // A cycle of 10 s with durations around 20 ms, some of them much longer.
      const duration = Math.round(5 + 40 * random() + (random() < 0.02 ? 2000 * random() : 0)) / 1000;
      const number = (1_767_225_600_000 + Math.floor(10_000 * random())) * 1000;
      // 20 services of 50 replicas each, whose expositions differ by some bytes.
      const service = index % 20;
      const id = `docker:${index.toString(16).padStart(64, "0")}`;
      return success(id, number, {
        ago: Math.floor(10_000 * random()),
        duration,
        outcome: {
          number,
          contentType: "text/plain; version=0.0.4; charset=utf-8",
          size: 2000 + 1791 * service + Math.floor(20 * random()),
          samples: 100 + 31 * service,
        },
      });
    }).sort((a, b) => a.target - b.target);
    expect(encodePublication(batch(1, attempts)).bytes.length).toBeLessThanOrEqual(14_100);
  });

  it("ignore unknown fields", async () => {
    const { publication } = await decodePublication(zip({ ...swarmDocument(1), future: [1] }));
    expect(publication).toEqual(swarmDocument(1));
  });

  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  const target = publishedTarget();
  it.each([
    ["an unknown kind", zip({ ...swarmDocument(1), kind: "other" })],
    ["no kind", zip({ ...swarmDocument(1), kind: undefined })],
    ["a batch with the content of a document", zip({ ...targetsDocument(1, []), kind: "batch" })],
    ["a document with the content of a batch", zip({ ...batch(1, []), kind: "targets" })],
    ["number 0", zip(swarmDocument(0))],
    ["number 2^52", zip(swarmDocument(2 ** 52))],
    ["a number with a fraction", zip(swarmDocument(1.5))],
    ["an origin with a slash", zip(swarmDocument(1, { origin: "a/b" }))],
    ["an origin with a line break", zip(swarmDocument(1, { origin: "a\nb" }))],
    ["an instance with a space", zip(swarmDocument(1, { instance: "a b" }))],
    ["a time that no date has", zip(swarmDocument(1, { time: 8.65e15 }))],
    ["a target without an id", zip(targetsDocument(1, [publishedTarget({ id: "" })]))],
    ["a target without a name", zip(targetsDocument(1, [publishedTarget({ names: [] })]))],
    ["a target with the name ..", zip(targetsDocument(1, [publishedTarget({ names: [".."] })]))],
    [
      "a target in an unknown state",
      zip({ ...targetsDocument(1, []), targets: [{ ...target, state: "odd" }] }),
    ],
    [
      "a target in an unknown scope",
      zip({ ...targetsDocument(1, []), targets: [{ ...target, scope: "odd" }] }),
    ],
    [
      "a label that is no text",
      zip({ ...targetsDocument(1, []), targets: [{ ...target, labels: { a: 1 } }] }),
    ],
    ["inconsistent columns", zip({ ...batch(1, []), attempts: { target: [1] } })],
    ["a list of attempts", zip(batch(1, [success("a", 1)]))],
    [
      "a task with too many addresses",
      zip(swarmDocument(1, { tasks: [{ id: "t", node: "n", addresses: new Array(21).fill("10.0.0.1") }] })),
    ],
    ["JSON that is cut off", zip('{"kind":"swarm"')],
    ["JSON that is no object", zip("[]")],
    ["deeply nested JSON", zip("[".repeat(1_000_000))],
    ["deeply nested JSON in an unknown field", zip({ ...swarmDocument(1), x: JSON.parse(nested(9)) })],
    ["no gzip stream", Buffer.from("{}")],
    ["nothing", Buffer.alloc(0)],
    ["a gzip stream that is cut off", encodePublication(swarmDocument(1)).bytes.subarray(0, 40)],
    [
      "a gzip bomb",
      gzipSync(Buffer.alloc(4 * maxPublicationBytes, " "), { level: constants.Z_BEST_COMPRESSION }),
    ],
  ])("with %s are rejected", async (_, bytes) => {
    await expect(decodePublication(bytes)).rejects.toThrow(InvalidPublicationError);
  });

  it("are read in steps: one per target, and more for long texts", async () => {
    const targets = Array.from({ length: 1000 }, (_, index) => publishedTarget({ id: `docker:${index}` }));
    const json = await inflatePublication(encodePublication(targetsDocument(1, targets)).bytes);
    const steps = readPublication(json);
    let count = 0;
    while (!steps.next().done) count++;
    expect(count).toBeGreaterThan(1000);
  });

  it("are rejected with a message that names the field", async () => {
    const bytes = zip(targetsDocument(1, [target, publishedTarget({ url: "x".repeat(5000) })]));
    await expect(decodePublication(bytes)).rejects.toThrow(/^invalid publication: targets\.1\.url: /);
  });
});

describe("faultOfTarget", () => {
  it("accepts exactly what receivers accept (property)", async () => {
    const long = fc.constantFrom("x".repeat(5000), "a\nb", "\ud800", "ok", "");
    const maybeInvalid = fc.tuple(
      anyTarget,
      fc.constantFrom("url", "title", "reason", "job", "id", "stack"),
      long,
    );
    await fc.assert(
      fc.asyncProperty(maybeInvalid, async ([target, field, text]) => {
        const changed = { ...target, [field]: text };
        const isAccepted = await decodePublication(
          encodePublication(targetsDocument(1, [changed])).bytes,
        ).then(
          () => true,
          () => false,
        );
        expect(faultOfTarget(changed) === undefined).toBe(isAccepted);
      }),
    );
  });
});
