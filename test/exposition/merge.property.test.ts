import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Format } from "../../src/exposition/format.js";
import type { Source } from "../../src/exposition/source.js";
import { createValidator } from "../../src/exposition/validator.js";
import { merge } from "../support/at-once.js";
import { type ReadSample, readExposition, sampleKey, seriesKey } from "../support/exposition-reader.js";
import { openMetricsFault } from "../support/openmetrics-check.js";
import { validate } from "../support/validate.js";
import { openMetricsExposition, textExposition } from "./arbitrary.js";
import { familiesExposition, similarExposition } from "./families-arbitrary.js";
import { withLabels, withoutExemplar } from "./labelled-samples.js";

const kinds: readonly [string, Format, fc.Arbitrary<string>][] = [
  ["random text", "text", textExposition.map(({ content }) => content)],
  ["text with similar samples", "text", similarExposition],
  ["text with well-formed families", "text", familiesExposition("text")],
  ["random OpenMetrics", "openmetrics", openMetricsExposition.map(({ content }) => content)],
  ["OpenMetrics with well-formed families", "openmetrics", familiesExposition("openmetrics")],
];

describe.each(kinds)("merge with generated input: %s", (_, format, content) => {
  const sources = fc
    .array(content, { minLength: 1, maxLength: 4 })
    .map((contents) =>
      contents.map(
        (text, index): Source => ({ bytes: Buffer.from(text), format, labels: [["instance", `x.${index}`]] }),
      ),
    );

  it("loses no sample without a conflict, and adds none", () => {
    fc.assert(
      fc.property(sources, (list) => {
        const { bytes, conflicts, samples } = merge(list, format);
        const found = readExposition(bytes, format).samples;
        expect(samples).toBe(found.length);
        const wanted = list.flatMap((source, index) =>
          withLabels(source).map((sample) => ({ index, sample })),
        );
        const keys = new Set(wanted.map(({ sample }) => withoutExemplar(sample)));
        for (const sample of found) expect(keys).toContain(withoutExemplar(sample));
        expect(new Set(found.map(seriesKey)).size).toBe(found.length);

        const foundKeys = new Set(found.map(withoutExemplar));
        const seen = new Set<string>();
        for (const { index, sample } of wanted) {
          const reported = conflicts.some(
            ({ source, family }) => source === index && sample.name.startsWith(family),
          );
          const duplicate = seen.has(seriesKey(sample));
          seen.add(seriesKey(sample));
          expect(foundKeys.has(withoutExemplar(sample)) || reported, sampleKey(sample)).toBe(true);
          if (duplicate) expect(reported, sampleKey(sample)).toBe(true);
        }
        // Every conflict has a cause.
        for (const { source, family } of conflicts) {
          const own = wanted.filter(
            ({ index, sample }) => index === source && sample.name.startsWith(family),
          );
          expect(own.length).toBeGreaterThan(
            found.filter((sample) => own.some((one) => one.sample === sample)).length,
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it("produces valid output, in chunks of any size, that strict parsers accept", () => {
    fc.assert(
      fc.property(sources, fc.integer({ min: 1, max: 7 }), (list, size) => {
        const { bytes, samples } = merge(list, format);
        const verdict = validate(bytes, format);
        expect(verdict).toEqual({ ok: true, format, samples });
        const validator = createValidator(format);
        for (let pos = 0; pos < bytes.length; pos += size) validator.push(bytes.subarray(pos, pos + size));
        expect(validator.end()).toEqual(verdict);
        if (format === "openmetrics") expect(openMetricsFault(bytes.toString())).toBeUndefined();
        else expectGrouped(bytes.toString());
      }),
      { numRuns: 300 },
    );
  });

  it("is deterministic, and merging its own output changes nothing", () => {
    fc.assert(
      fc.property(sources, (list) => {
        const once = merge(list, format);
        expect(merge(list, format)).toEqual(once);
        const again = merge([{ bytes: once.bytes, format, labels: [] }], format);
        expect(again.bytes.toString()).toBe(once.bytes.toString());
        expect(again.conflicts).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it("treats a source the same way, whatever sources precede it", () => {
    // Patterns learned from one source must not affect another.
    fc.assert(
      fc.property(sources, (list) => {
        const last = list.at(-1)!;
        const alone = readExposition(merge([last], format).bytes, format).samples.map(sampleKey);
        const merged = merge(list, format);
        if (merged.conflicts.length > 0) return;
        const instance = last.labels[0]![1];
        const among = readExposition(merged.bytes, format).samples.filter(({ labels }) =>
          labels.some(([name, value]) => name === "instance" && value === instance),
        );
        expect(among.map(withoutExemplar).sort()).toEqual(
          alone.map((key) => withoutExemplar(fromKey(key))).sort(),
        );
      }),
      { numRuns: 300 },
    );
  });
});

function fromKey(key: string): ReadSample {
  const [name, labels, value, time] = JSON.parse(key);
  return { name, labels, value, time: time ?? undefined, exemplar: undefined };
}

/** Expects HELP and TYPE of each family only once, before its samples. */
function expectGrouped(text: string): void {
  const seen = new Set<string>();
  for (const [, line, name] of text.matchAll(/^(# (?:HELP|TYPE) (\S+)) /gm)) {
    expect(seen).not.toContain(line);
    seen.add(line!);
    const sample = text.search(new RegExp(`^(${name})[ {]`, "m"));
    if (sample >= 0) expect(text.indexOf(line!)).toBeLessThan(sample);
  }
}
