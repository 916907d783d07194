import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toText } from "../support/at-once.js";
import { readExposition, seriesKey } from "../support/exposition-reader.js";
import { validate } from "../support/validate.js";
import { openMetricsExposition } from "./arbitrary.js";
import { familiesExposition } from "./families-arbitrary.js";

const converted = (content: string) => toText(Buffer.from(`${content}# EOF\n`)).toString();

describe("toText", () => {
  it("names counters with their suffix", () => {
    expect(
      converted(
        "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds b\na_seconds_total 1\n",
      ),
    ).toBe("# HELP a_seconds_total b\n# TYPE a_seconds_total counter\na_seconds_total 1\n");
  });

  it("converts _created samples to gauges", () => {
    const of = (type: string, sample: string) =>
      converted(
        `# TYPE a ${type}\n# HELP a b\n${sample} 1\na_created 2\n${sample.replace("x", "y")} 1\na_created{l="x"} 3\n`,
      );
    const created = '# HELP a_created b\n# TYPE a_created gauge\na_created 2\na_created{l="x"} 3\n';
    expect(of("counter", 'a_total{b="x"}')).toBe(
      `# HELP a_total b\n# TYPE a_total counter\na_total{b="x"} 1\na_total{b="y"} 1\n${created}`,
    );
    expect(of("histogram", 'a_bucket{le="x"}')).toBe(
      `# HELP a b\n# TYPE a histogram\na_bucket{le="x"} 1\na_bucket{le="y"} 1\n${created}`,
    );
    expect(of("summary", 'a{quantile="x"}')).toBe(
      `# HELP a b\n# TYPE a summary\na{quantile="x"} 1\na{quantile="y"} 1\n${created}`,
    );
  });

  it("converts types that the text format lacks to the closest ones", () => {
    expect(converted('# TYPE a info\n# HELP a b\na_info{c="d"} 1\n')).toBe(
      '# HELP a_info b\n# TYPE a_info gauge\na_info{c="d"} 1\n',
    );
    expect(converted('# TYPE a stateset\na{a="on"} 1\n')).toBe('# TYPE a gauge\na{a="on"} 1\n');
    expect(converted("# TYPE a unknown\na 1\n")).toBe("# TYPE a untyped\na 1\n");
    expect(converted('# TYPE a gaugehistogram\na_bucket{le="+Inf"} 1\na_gcount 1\na_gsum 2\n')).toBe(
      '# TYPE a histogram\na_bucket{le="+Inf"} 1\n# TYPE a_gcount gauge\na_gcount 1\n# TYPE a_gsum gauge\na_gsum 2\n',
    );
  });

  it("accepts HELP before TYPE and families without samples", () => {
    expect(converted("# HELP a b\n# TYPE a counter\n")).toBe("# HELP a_total b\n# TYPE a_total counter\n");
  });

  it("keeps samples that contradict the type", () => {
    expect(converted("# TYPE a counter\n# HELP a b\na 1\na_total 2\n")).toBe(
      "# HELP a_total b\n# TYPE a_total counter\na_total 2\na 1\n",
    );
    expect(converted("# TYPE a info\na 1\n")).toBe("# TYPE a_info gauge\na 1\n");
  });

  it("truncates timestamps to milliseconds like Prometheus", () => {
    const time = (seconds: string) => converted(`a 1 ${seconds}\n`).slice(4, -1);
    expect(time("1700000000")).toBe("1700000000000");
    expect(time("1700000000.1239")).toBe("1700000000123");
    expect(time("1.7e9")).toBe("1700000000000");
    expect(time("0.0015")).toBe("1");
    expect(time("0")).toBe("0");
  });

  it("clamps timestamps outside the range of the text format", () => {
    const time = (seconds: string) => converted(`a 1 ${seconds}\n`).slice(4, -1);
    expect(time("-1.5")).toBe("0");
    expect(time("1e300")).toBe("9223372036854775807");
    expect(time("9223372036854775.9")).toMatch(/^92233720368547\d{5}$/);
  });

  it("drops exemplars", () => {
    expect(converted('a_total 1 # {b="c"} 1\na_total{b="# {}"} 1.50 2 # {} 1 1\n')).toBe(
      'a_total 1\na_total{b="# {}"} 1.50 2000\n',
    );
  });

  it("escapes HELP as in the text format", () => {
    expect(converted('# HELP a \\"b\\" \\\\ \\n "c"\na 1\n')).toBe('# HELP a "b" \\\\ \\n "c"\na 1\n');
  });

  it("keeps quoted names", () => {
    expect(converted('# TYPE "a.b" counter\n{"a.b_total","c.d"="e"} 1\n')).toBe(
      '# TYPE "a.b_total" counter\n{"a.b_total","c.d"="e"} 1\n',
    );
  });
});

describe("toText with generated input", () => {
  it.each([
    ["random lines", openMetricsExposition.map(({ content }) => content)],
    ["well-formed families", familiesExposition("openmetrics")],
  ])("keeps every series and its value: %s", (_, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, (content) => {
        const bytes = Buffer.from(content);
        const before = readExposition(bytes, "openmetrics").samples;
        const text = toText(bytes);
        const after = readExposition(text, "text").samples;
        expect(validate(text, "text")).toEqual({ ok: true, format: "text", samples: after.length });
        // Of duplicate series, the first is kept.
        const firsts = new Map([...before].reverse().map((sample) => [seriesKey(sample), sample]));
        expect(new Map(after.map((sample) => [seriesKey(sample), sample.value]))).toEqual(
          new Map([...firsts].map(([key, { value }]) => [key, value])),
        );
        expect(after.length).toBe(firsts.size);
        for (const sample of after) {
          const seconds = firsts.get(seriesKey(sample))?.time;
          expect(sample.time === undefined).toBe(seconds === undefined);
        }
      }),
      { numRuns: 500 },
    );
  });
});
