import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Format } from "../../src/exposition/format.js";
import type { Source } from "../../src/exposition/source.js";
import { createValidator, validate } from "../../src/exposition/validator.js";
import { merge } from "../support/at-once.js";
import { type ReadSample, readExposition, sampleKey, seriesKey } from "../support/exposition-reader.js";
import { openMetricsFault } from "../support/openmetrics-check.js";
import { openMetricsExposition, textExposition } from "./arbitrary.js";
import { alikeExposition, familiesExposition } from "./families-arbitrary.js";
import { withLabels, withoutExemplar } from "./labelled-samples.js";

const kinds: readonly [string, Format, fc.Arbitrary<string>][] = [
  ["text made up at random", "text", textExposition.map(({ content }) => content)],
  ["text whose samples are much alike", "text", alikeExposition],
  ["text of proper families", "text", familiesExposition("text")],
  ["OpenMetrics made up at random", "openmetrics", openMetricsExposition.map(({ content }) => content)],
  ["OpenMetrics of proper families", "openmetrics", familiesExposition("openmetrics")],
];

describe.each(kinds)("merging any expositions: %s", (_, format, content) => {
  const sources = fc
    .array(content, { minLength: 1, maxLength: 4 })
    .map((contents) =>
      contents.map(
        (text, index): Source => ({ bytes: Buffer.from(text), format, labels: [["instance", `x.${index}`]] }),
      ),
    );

  it("loses no sample and invents none, but for what it tells", () => {
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
          const told = conflicts.some(
            ({ source, family }) => source === index && sample.name.startsWith(family),
          );
          const duplicate = seen.has(seriesKey(sample));
          seen.add(seriesKey(sample));
          expect(foundKeys.has(withoutExemplar(sample)) || told, sampleKey(sample)).toBe(true);
          if (duplicate) expect(told, sampleKey(sample)).toBe(true);
        }
        // Nothing is told without reason.
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

  it("answers something valid, in pieces of any size, that strict parsers take", () => {
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

  it("answers the same for the same sources, and changes nothing that is merged", () => {
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

  it("makes the same of a source whatever stood before it", () => {
    // What was learned from one source must not change what becomes of another one.
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

/** Each name of a metric is in one piece, and HELP and TYPE are there once, before the samples of that name. */
function expectGrouped(text: string): void {
  const said = new Set<string>();
  for (const [, line, name] of text.matchAll(/^(# (?:HELP|TYPE) (\S+)) /gm)) {
    expect(said).not.toContain(line);
    said.add(line!);
    const sample = text.search(new RegExp(`^(${name})[ {]`, "m"));
    if (sample >= 0) expect(text.indexOf(line!)).toBeLessThan(sample);
  }
}
