import fc from "fast-check";
import { Federation } from "../../../src/exposition/federate.js";
import type { Format } from "../../../src/exposition/format.js";
import type { Source } from "../../../src/exposition/source.js";
import { validate } from "../../../src/exposition/validator.js";
import { openMetricsExposition, textExposition } from "../../exposition/arbitrary.js";
import { corpus, onlyPrometheus3 } from "../../exposition/corpus.js";
import { alikeExposition, familiesExposition } from "../../exposition/families-arbitrary.js";
import { withLabels, withoutExemplar } from "../../exposition/labelled-samples.js";
import { atOnce, merge } from "../../support/at-once.js";
import { readExposition, seriesKey } from "../../support/exposition-reader.js";
import { law, type Subject } from "../subject.js";
import { subject as exposition } from "./exposition.js";

/** Stands between two texts of one input. */
const between = "\x1e";
const maxSources = 6;

const text = fc.oneof(
  textExposition.map(({ content }) => content),
  openMetricsExposition.map(({ content }) => content),
  familiesExposition("text"),
  familiesExposition("openmetrics"),
  alikeExposition,
);

/** Several texts of which one is made: whatever they say, each sample is there or told, and what is made is valid. */
export const subject: Subject = {
  name: "merge",
  seeds: () => {
    const good = [...corpus, ...onlyPrometheus3]
      .filter(({ bytes, format }) => bytes.length < 2000 && validate(bytes, format).ok)
      .map(({ bytes }) => bytes.toString("latin1"));
    return good.map((one, index) =>
      Buffer.from([one, good[(index * 7 + 1) % good.length]!, one].join(between), "latin1"),
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

/** The valid texts of an input, each labelled as a replica. */
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
  law(verdict.ok && verdict.samples === merged.samples, "what is merged is valid", () => ({
    verdict,
    into,
    merged: merged.bytes.toString("latin1"),
  }));
  law(merge(sources, into).bytes.equals(merged.bytes), "a merge is the same each time");
  const again = merge([{ bytes: merged.bytes, format: into, labels: [] }], into);
  // A comma behind the last label may stay or go.
  const [once, twice] = [merged, again].map(({ bytes }) => bytes.toString("latin1").replaceAll(",}", "}"));
  law(once === twice, "a merge of what is merged changes nothing", () => ({ once, twice }));
  // A conversion renders values and times anew: only what stays in its format is compared word by word.
  if (sources.some(({ format }) => format !== into)) return;
  const found = readExposition(merged.bytes, into).samples;
  law(found.length === merged.samples, "another reader finds as many samples", () =>
    merged.bytes.toString("latin1"),
  );
  law(new Set(found.map(seriesKey)).size === found.length, "no series is there twice");
  const foundKeys = new Set(found.map(withoutExemplar));
  const wanted = sources.flatMap((source, index) => withLabels(source).map((sample) => ({ index, sample })));
  for (const { index, sample } of wanted) {
    const told = merged.conflicts.some(
      ({ source, family }) => source === index && sample.name.startsWith(family),
    );
    law(told || foundKeys.has(withoutExemplar(sample)), "a sample is there or told", () => sample);
  }
  const keys = new Set(wanted.map(({ sample }) => withoutExemplar(sample)));
  for (const sample of found) law(keys.has(withoutExemplar(sample)), "no sample is invented", () => sample);
}

function checkFederation(sources: readonly Source[]): void {
  const federation = new Federation();
  const bytes = Buffer.concat(sources.map((source) => atOnce(federation.add({ ...source, timestamp: 1 }))));
  const verdict = validate(bytes, "text");
  const samples = sources.reduce((sum, { bytes: one, format }) => {
    const judged = validate(one, format);
    return sum + (judged.ok ? judged.samples : 0);
  }, 0);
  law(verdict.ok && verdict.samples === samples, "what is federated is valid and whole", () => ({
    verdict,
    samples,
    federated: bytes.toString("latin1"),
  }));
}
