import fc from "fast-check";
import type { Format } from "../../src/exposition/format.js";

/*
 * Generators of expositions with few names and few labels, so that several sources overlap: well-formed families of all
 * types, and samples without a family.
 */

const types: Readonly<Record<Format, readonly string[]>> = {
  text: ["counter", "gauge", "histogram", "summary", "untyped"],
  openmetrics: ["counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"],
};

const label = fc.constantFrom(
  "",
  'k="c"',
  'k="d"',
  'instance="e"',
  'k="c",instance="e"',
  'k="\\"\\\\"',
  '"x.y"="ö"',
);
const value = fc.constantFrom("1", "0.5", "NaN", "+Inf", "1e9");
const help = fc.constantFrom("", "# HELP NAME Help.\n", "# HELP NAME \\\\ ö\\n\n");
const name = fc.constantFrom("a", "b", "a_b");
const stray = fc.constantFrom("a", "a_total", "a_count", "a_bucket", "a_created", "b", "b_sum", "a_b", "c");

/** One exposition. */
export function familiesExposition(format: Format): fc.Arbitrary<string> {
  const family = fc
    .tuple(
      name,
      fc.constantFrom(...types[format]),
      help,
      fc.uniqueArray(label, { maxLength: 3 }),
      fc.array(value, { minLength: 1, maxLength: 3 }),
    )
    .map(([base, type, metadata, labels, values]) => {
      const samples = labels.flatMap((set, index) =>
        samplesOf(base, type, format, set, values[index % values.length]!),
      );
      return `${metadata.replace("NAME", nameOf(base, type, format))}# TYPE ${nameOf(base, type, format)} ${type}\n${samples.join("")}`;
    });
  const strays = fc.tuple(stray, label, value).map(([metric, set, number]) => line(metric, set, number));
  const block = fc.oneof({ weight: 3, arbitrary: family }, { weight: 1, arbitrary: strays });
  return fc
    .array(block, { maxLength: 5 })
    .map((blocks) => `${blocks.join("")}${format === "openmetrics" ? "# EOF\n" : ""}`);
}

function nameOf(base: string, type: string, format: Format): string {
  return format === "text" && type === "counter" ? `${base}_total` : base;
}

function samplesOf(base: string, type: string, format: Format, set: string, number: string): string[] {
  const sample = (suffix: string, extra = "") =>
    line(base + suffix, [set, extra].filter(Boolean).join(","), number);
  const created = format === "openmetrics" ? [sample("_created")] : [];
  switch (type) {
    case "counter":
      return [sample("_total"), ...created];
    case "histogram":
      return [
        sample("_bucket", 'le="1"'),
        sample("_bucket", 'le="+Inf"'),
        sample("_sum"),
        sample("_count"),
        ...created,
      ];
    case "gaugehistogram":
      return [
        sample("_bucket", 'le="1"'),
        sample("_bucket", 'le="+Inf"'),
        sample("_gsum"),
        sample("_gcount"),
      ];
    case "summary":
      return [sample("", 'quantile="0.5"'), sample("_sum"), sample("_count"), ...created];
    case "info":
      return [sample("_info", 'version="1"')];
    case "stateset":
      return [sample("", `${base}="on"`), sample("", `${base}="off"`)];
    default:
      return [sample("")];
  }
}

function line(metric: string, set: string, number: string): string {
  return `${metric}${set === "" ? "" : `{${set}}`} ${number}\n`;
}

/** A text with similar samples: few alternating shapes with various values. */
export const similarExposition: fc.Arbitrary<string> = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        ["a", "b"],
        ["a", "b", "c"],
        ["a"],
        ["a_b", "b", "instance"],
        ["a", "c", "b"],
        ["a", "instance"],
      ),
      fc.array(
        fc.oneof(
          fc.constantFrom("", "x", "xx", "a longer value with a prefix", "a longer value that others"),
          fc.constantFrom("C:\\dir", "C:\\dir\\file", 'C:\\"dir"', "\\\\\\", '\\\\"', "C:\\dir\nline"),
          fc.string({ unit: "grapheme", maxLength: 20 }),
        ),
        { minLength: 2, maxLength: 2 },
      ),
      value,
    ),
    { maxLength: 30 },
  )
  .map((samples) =>
    samples
      .map(([[metric, ...names], values, number]) => {
        const pairs = names.map((label, index) => `${label}="${escapeValue(values[index]!)}"`);
        return line(metric!, pairs.join(","), number);
      })
      .join(""),
  );

function escapeValue(text: string): string {
  return text.replace(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`));
}
