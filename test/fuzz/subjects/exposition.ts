import fc from "fast-check";
import { Federation } from "../../../src/exposition/federate.js";
import type { Format } from "../../../src/exposition/format.js";
import {
  createUnknownValidator,
  createValidator,
  type Validator,
  type Verdict,
} from "../../../src/exposition/validator.js";
import { openMetricsExposition, textExposition } from "../../exposition/arbitrary.js";
import { corpus, onlyPrometheus3 } from "../../exposition/corpus.js";
import { familiesExposition } from "../../exposition/families-arbitrary.js";
import { atOnce, merge, toText } from "../../support/at-once.js";
import { openMetricsFault } from "../../support/openmetrics-check.js";
import { inPieces } from "../random.js";
import { law, type Subject } from "../subject.js";

/** Texts as they come from targets: judged the same however they are cut, and fit for all that is made of good ones. */
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
    judgedAlike(() => createUnknownValidator(), input);
    for (const format of ["text", "openmetrics"] as const) {
      const verdict = judgedAlike(() => createValidator(format), input);
      if (verdict.ok) fitForUse(input, format, verdict.samples);
    }
  },
};

/** The verdict on an input, which is that on its pieces. */
function judgedAlike(create: () => Validator, input: Buffer): Verdict {
  const whole = judge(create(), [input]);
  for (const cut of input.length > 2000 ? [1, 2] : [0, 1, 2]) {
    const cutUp = judge(create(), inPieces(input, cut));
    law(JSON.stringify(cutUp) === JSON.stringify(whole), "the verdict depends on the cut", () => ({
      whole,
      cutUp,
      cut,
    }));
  }
  if (whole.ok) return whole;
  const lines = input.toString("latin1").split("\n").length;
  law(whole.line >= 1 && whole.line <= lines, "a fault is on a line that is there", () => whole);
  law(whole.reason !== "" && !whole.reason.includes("\n"), "a fault has a reason in one line", () => whole);
  return whole;
}

function judge(validator: Validator, pieces: readonly Buffer[]): Verdict {
  for (const piece of pieces) if (!validator.push(piece)) break;
  return validator.end();
}

function fitForUse(bytes: Buffer, format: Format, samples: number): void {
  const before = Buffer.from(bytes);
  const merged = merge([{ bytes, format, labels: [["instance", "a.1"]] }], format);
  isValid(merged.bytes, format, merged.samples, "what is merged is valid");
  law(merged.samples <= samples, "a merge invents no samples");
  law(merged.conflicts.length > 0 || merged.samples === samples, "a merge loses no samples without a word");
  const again = merge([{ bytes: merged.bytes, format, labels: [] }], format);
  // A comma behind the last label may stay or go.
  const [once, twice] = [merged, again].map(({ bytes }) => bytes.toString("latin1").replaceAll(",}", "}"));
  law(once === twice, "a merge of what is merged changes nothing", () => ({ once, twice }));
  if (format === "openmetrics") {
    const fault = openMetricsFault(merged.bytes.toString());
    law(fault === undefined, "strict parsers take a merge of OpenMetrics", () => fault);
    const text = toText(bytes);
    isValid(text, "text", undefined, "what is converted is valid");
  }
  const federated = atOnce(
    new Federation().add({
      bytes,
      format,
      labels: [
        ["job", 'a "job"\\\n'],
        ["instance", "ä.1"],
      ],
      timestamp: 1_700_000_000_000,
    }),
  );
  isValid(federated, "text", samples, "what is federated is valid and whole");
  law(before.equals(bytes), "a source is never changed");
}

function isValid(bytes: Buffer, format: Format, samples: number | undefined, what: string): void {
  const verdict = judge(createValidator(format), [bytes]);
  const good = verdict.ok && (samples === undefined || verdict.samples === samples);
  law(good, what, () => ({ verdict, samples, bytes: bytes.toString("latin1").slice(0, 1000) }));
}
