import fc from "fast-check";
import { Federation } from "../../../src/exposition/federate.js";
import type { Format } from "../../../src/exposition/format.js";
import type { Source } from "../../../src/exposition/source.js";
import { openMetricsExposition, textExposition } from "../../exposition/arbitrary.js";
import { corpus, onlyPrometheus3 } from "../../exposition/corpus.js";
import { familiesExposition, similarExposition } from "../../exposition/families-arbitrary.js";
import { withLabels, withoutExemplar } from "../../exposition/labelled-samples.js";
import { atOnce, merge } from "../../support/at-once.js";
import { readExposition, seriesKey } from "../../support/exposition-reader.js";
import { validate } from "../../support/validate.js";
import { law, type Subject } from "../subject.js";
import { subject as exposition } from "./exposition.js";

/** Separates the texts of one input. */
const between = "\x1e";
const maxSources = 6;

const text = fc.oneof(
  textExposition.map(({ content }) => content),
  openMetricsExposition.map(({ content }) => content),
  familiesExposition("text"),
  familiesExposition("openmetrics"),
  similarExposition,
);

/** Merged and federated output is valid; each sample is in it or reported as a conflict. */
export const subject: Subject = {
  name: "merge",
  seeds: () => {
    const valid = [...corpus, ...onlyPrometheus3]
      .filter(({ bytes, format }) => bytes.length < 2000 && validate(bytes, format).ok)
      .map(({ bytes }) => bytes.toString("latin1"));
    return valid.map((one, index) =>
      Buffer.from([one, valid[(index * 7 + 1) % valid.length]!, one].join(between), "latin1"),
    );
  },
  words: [...exposition.words, between, 'instance="a.1",', 'exported_instance="x"'],
  madeUp: fc.array(text, { minLength: 1, maxLength: 4 }).map((texts) => Buffer.from(texts.join(between))),
  check(input) {
    const sources = sourcesIn(input);
    if (sources.length === 0) return;
    const allOpenMetrics = sources.every(({ format }) => format === "openmetrics");
    checkMerge(sources, "text");
    if (allOpenMetrics) checkMerge(sources, "openmetrics");
    checkFederation(sources);
  },
};

/** The valid texts of an input, each with the labels of a replica. */
function sourcesIn(input: Buffer): Source[] {
  const sources: Source[] = [];
  for (const part of input.toString("latin1").split(between).slice(0, maxSources)) {
    const bytes = Buffer.from(part, "latin1");
    const format = (["openmetrics", "text"] as const).find((one) => validate(bytes, one).ok);
    if (format !== undefined) sources.push({ bytes, format, labels: [["instance", `a.${sources.length}`]] });
  }
  return sources;
}

function checkMerge(sources: readonly Source[], into: Format): void {
  const merged = merge(sources, into);
  const verdict = validate(merged.bytes, into);
  law(verdict.ok && verdict.samples === merged.samples, "merged output is valid", () => ({
    verdict,
    into,
    merged: merged.bytes.toString("latin1"),
  }));
  law(merge(sources, into).bytes.equals(merged.bytes), "a merge is deterministic");
  const again = merge([{ bytes: merged.bytes, format: into, labels: [] }], into);
  // The comma after the last label is optional.
  const [once, twice] = [merged, again].map(({ bytes }) => bytes.toString("latin1").replaceAll(",}", "}"));
  law(once === twice, "merging merged output changes nothing", () => ({ once, twice }));
  // Conversion rewrites timestamps. Compare samples only if the format stays the same.
  if (sources.some(({ format }) => format !== into)) return;
  const found = readExposition(merged.bytes, into).samples;
  law(found.length === merged.samples, "an independent parser finds the same number of samples", () =>
    merged.bytes.toString("latin1"),
  );
  law(new Set(found.map(seriesKey)).size === found.length, "no series is duplicated");
  const foundKeys = new Set(found.map(withoutExemplar));
  const wanted = sources.flatMap((source, index) => withLabels(source).map((sample) => ({ index, sample })));
  for (const { index, sample } of wanted) {
    const reported = merged.conflicts.some(
      ({ source, family }) => source === index && sample.name.startsWith(family),
    );
    law(
      reported || foundKeys.has(withoutExemplar(sample)),
      "a sample is in the output or reported",
      () => sample,
    );
  }
  const keys = new Set(wanted.map(({ sample }) => withoutExemplar(sample)));
  for (const sample of found) law(keys.has(withoutExemplar(sample)), "no sample is added", () => sample);
}

function checkFederation(sources: readonly Source[]): void {
  const federation = new Federation("text");
  const bytes = Buffer.concat(sources.map((source) => atOnce(federation.add({ ...source, timestamp: 1 }))));
  const verdict = validate(bytes, "text");
  const samples = sources.reduce((sum, { bytes: one, format }) => {
    const verdict = validate(one, format);
    return sum + (verdict.ok ? verdict.samples : 0);
  }, 0);
  law(verdict.ok && verdict.samples === samples, "federated output is valid and complete", () => ({
    verdict,
    samples,
    federated: bytes.toString("latin1"),
  }));
}
