import fc from "fast-check";
import { Federation } from "../../../src/exposition/federate.js";
import type { Format } from "../../../src/exposition/format.js";
import { createValidator, type Validator, type Verdict } from "../../../src/exposition/validator.js";
import { openMetricsExposition, textExposition } from "../../exposition/arbitrary.js";
import { corpus, onlyPrometheus3 } from "../../exposition/corpus.js";
import { familiesExposition } from "../../exposition/families-arbitrary.js";
import { atOnce, merge, toText } from "../../support/at-once.js";
import { openMetricsFault } from "../../support/openmetrics-check.js";
import { inPieces } from "../random.js";
import { law, type Subject } from "../subject.js";

/** Validation does not depend on chunk sizes; valid input can be merged, converted and federated. */
export const subject: Subject = {
  name: "exposition",
  seeds: () =>
    [...corpus, ...onlyPrometheus3].map(({ bytes }) => bytes).filter(({ length }) => length < 10_000),
  words: [
    "# HELP ",
    "# TYPE ",
    "# UNIT ",
    "# EOF\n",
    " counter\n",
    " gauge\n",
    " histogram\n",
    " summary\n",
    " untyped\n",
    " unknown\n",
    " info\n",
    " stateset\n",
    " gaugehistogram\n",
    "_total",
    "_bucket",
    "_sum",
    "_count",
    "_created",
    "_gcount",
    "_info",
    'le="+Inf"',
    'quantile="0.5"',
    "{",
    "}",
    '="',
    '",',
    "\\n",
    '\\"',
    "\\\\",
    ' # {trace_id="a"} 1 1.5',
    " NaN",
    " +Inf",
    " 1e+3",
    " 1700000000000",
    '{"a.b","c.d"="e"}',
    "a 1\n",
    "\xc3\xa4",
    "\xed\xa0\x80",
    "\xf4\x90\x80\x80",
    "\xef\xbb\xbf",
    "\0",
    "\r\n",
  ],
  madeUp: fc
    .oneof(
      textExposition.map(({ content }) => content),
      openMetricsExposition.map(({ content }) => content),
      familiesExposition("text"),
      familiesExposition("openmetrics"),
    )
    .map((text) => Buffer.from(text)),
  maxBytes: 64 * 1024,
  check(input) {
    verdictOf(() => createValidator(undefined), input);
    for (const format of ["text", "openmetrics"] as const) {
      const verdict = verdictOf(() => createValidator(format), input);
      if (verdict.ok) checkUse(input, format, verdict.samples);
    }
  },
};

/** Validates an input, whole and in pieces, and expects the same result. */
function verdictOf(create: () => Validator, input: Buffer): Verdict {
  const whole = validateChunks(create(), [input]);
  for (const cut of input.length > 2000 ? [1, 2] : [0, 1, 2]) {
    const inChunks = validateChunks(create(), inPieces(input, cut));
    law(
      JSON.stringify(inChunks) === JSON.stringify(whole),
      "the verdict does not depend on chunk sizes",
      () => ({
        whole,
        inChunks,
        cut,
      }),
    );
  }
  if (whole.ok) return whole;
  const lines = input.toString("latin1").split("\n").length;
  law(whole.line >= 1 && whole.line <= lines, "the line number of an error exists", () => whole);
  law(
    whole.reason !== "" && !whole.reason.includes("\n"),
    "the reason of an error is a single line",
    () => whole,
  );
  return whole;
}

function validateChunks(validator: Validator, pieces: readonly Buffer[]): Verdict {
  for (const piece of pieces) if (!validator.push(piece)) break;
  return validator.end();
}

function checkUse(bytes: Buffer, format: Format, samples: number): void {
  const before = Buffer.from(bytes);
  const merged = merge([{ bytes, format, labels: [["instance", "a.1"]] }], format);
  isValid(merged.bytes, format, merged.samples, "merged output is valid");
  law(merged.samples <= samples, "a merge adds no samples");
  law(
    merged.conflicts.length > 0 || merged.samples === samples,
    "a merge loses no samples without a conflict",
  );
  const again = merge([{ bytes: merged.bytes, format, labels: [] }], format);
  // The comma after the last label is optional.
  const [once, twice] = [merged, again].map(({ bytes }) => bytes.toString("latin1").replaceAll(",}", "}"));
  law(once === twice, "merging merged output changes nothing", () => ({ once, twice }));
  if (format === "openmetrics") {
    const fault = openMetricsFault(merged.bytes.toString());
    law(fault === undefined, "strict parsers accept merged OpenMetrics", () => fault);
    const text = toText(bytes);
    isValid(text, "text", undefined, "converted output is valid");
  }
  const federated = atOnce(
    new Federation("text").add({
      bytes,
      format,
      labels: [
        ["job", 'a "job"\\\n'],
        ["instance", "ä.1"],
      ],
      timestamp: 1_700_000_000_000,
    }),
  );
  isValid(federated, "text", samples, "federated output is valid and complete");
  law(before.equals(bytes), "a source is not modified");
}

function isValid(bytes: Buffer, format: Format, samples: number | undefined, what: string): void {
  const verdict = validateChunks(createValidator(format), [bytes]);
  const valid = verdict.ok && (samples === undefined || verdict.samples === samples);
  law(valid, what, () => ({ verdict, samples, bytes: bytes.toString("latin1").slice(0, 1000) }));
}
