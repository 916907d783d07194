import fc from "fast-check";

/*
 * Generators of valid expositions. Both formats use the same series. The text format also varies spaces, tabs, comments
 * and optional commas.
 */

const metricName = fc.stringMatching(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,12}$/);
const labelName = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,6}$/).filter((name) => name !== "__name__");
const labelValue = fc
  .string({ unit: "grapheme", maxLength: 12 })
  .map((value) => value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n"));
const labels = fc.uniqueArray(fc.tuple(labelName, labelValue), { selector: ([name]) => name, maxLength: 5 });
const helpText = fc.string({ unit: "grapheme", maxLength: 20 }).map((value) => value.replaceAll("\n", "\\n"));

const value = fc.oneof(
  fc
    .double()
    .map((number) => (Number.isFinite(number) ? String(number) : String(number).replace("inity", ""))),
  fc.constantFrom("+Inf", "-Inf", "NaN", "0", "1.", ".5", "1E+05"),
);

const blanks = fc.constantFrom("", "", " ", "\t", "  ");
const someBlanks = fc.constantFrom(" ", " ", "\t", " \t ");

const looseSample = fc
  .tuple(
    metricName,
    labels,
    value,
    fc.option(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
    blanks,
    someBlanks,
    blanks,
  )
  .map(([name, set, number, time, blank, separator, tail]) => {
    const pairs = set
      .map(([label, content]) => `${blank}${label}${blank}=${blank}"${content}"${blank}`)
      .join(",");
    const series = set.length === 0 ? name : `${name}${blank}{${pairs}}`;
    return `${series}${separator}${number}${time === null ? "" : separator + time}${tail}`;
  });

const strictSample = fc
  .tuple(
    metricName,
    labels,
    value,
    fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
    fc.option(labels),
  )
  .map(([name, set, number, time, exemplar]) => {
    const braced = (pairs: [string, string][]) =>
      `{${pairs.map(([key, content]) => `${key}="${content}"`).join(",")}}`;
    const series = set.length === 0 ? name : name + braced(set);
    return `${series} ${number}${time === null ? "" : ` ${time}`}${exemplar === null ? "" : ` # ${braced(exemplar)} 1`}`;
  });

/** Text 0.0.4 with or without a final line feed, and its number of samples. */
export const textExposition = lines(
  looseSample,
  fc.oneof(
    fc.constantFrom("", " \t", "#", "# a comment", "#HELP", "# EOF"),
    fc.tuple(metricName, helpText).map(([name, help]) => `# HELP ${name} ${help}`),
    fc
      .tuple(metricName, fc.constantFrom("counter", "gauge", "histogram", "summary", "untyped"))
      .map(typeLine),
  ),
).chain(({ content, samples }) =>
  fc.boolean().map((whole) => ({ content: whole ? content : content.replace(/\n$/, ""), samples })),
);

/** OpenMetrics 1.0 and its number of samples. */
export const openMetricsExposition = lines(
  strictSample,
  fc.oneof(
    fc.tuple(metricName, helpText).map(([name, help]) => `# HELP ${name} ${help}`),
    metricName.map((name) => `# UNIT ${name}_seconds seconds`),
    fc
      .tuple(
        metricName,
        fc.constantFrom("counter", "gauge", "histogram", "gaugehistogram", "info", "unknown"),
      )
      .map(typeLine),
  ),
).map(({ content, samples }) => ({ content: `${content}# EOF\n`, samples }));

function typeLine([name, type]: [string, string]): string {
  return `# TYPE ${name} ${type}`;
}

/** Samples, some repeated up to three times, mixed with other lines. */
function lines(sample: fc.Arbitrary<string>, other: fc.Arbitrary<string>) {
  const samples = fc
    .tuple(sample, fc.integer({ min: 1, max: 3 }))
    .map(([line, times]) => Array<string>(times).fill(line));
  const sampleLines = samples.map((repeated) => ({ lines: repeated, samples: repeated.length }));
  const otherLines = other.map((line) => ({ lines: [line], samples: 0 }));
  return fc.array(fc.oneof(sampleLines, otherLines), { maxLength: 12 }).map((groups) => ({
    content: groups.flatMap((group) => group.lines.map((line) => `${line}\n`)).join(""),
    samples: groups.reduce((sum, group) => sum + group.samples, 0),
  }));
}
