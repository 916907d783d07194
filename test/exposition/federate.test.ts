import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Federation } from "../../src/exposition/federate.js";
import type { Format } from "../../src/exposition/format.js";
import { toMilliseconds, writeTimestamp } from "../../src/exposition/number.js";
import type { Source } from "../../src/exposition/source.js";
import { atOnce } from "../support/at-once.js";
import { type ReadSample, readExposition, sampleKey } from "../support/exposition-reader.js";
import { openMetricsFault } from "../support/openmetrics-check.js";
import { validate } from "../support/validate.js";
import { openMetricsExposition, textExposition } from "./arbitrary.js";
import { familiesExposition, similarExposition } from "./families-arbitrary.js";

const source = (content: string, instance: string, timestamp?: number, format: Format = "text"): Source => ({
  bytes: Buffer.from(format === "text" ? content : `${content}# EOF\n`),
  format,
  labels: [
    ["job", "shop_web"],
    ["instance", instance],
  ],
  ...(timestamp === undefined ? {} : { timestamp }),
});

function federate(...sources: Source[]): string {
  const federation = new Federation("text");
  return sources.map((one) => atOnce(federation.add(one)).toString()).join("");
}

describe("Federation", () => {
  it("forgets a source that is ended early", () => {
    const federation = new Federation("text");
    const metadata = "# HELP a b\n# TYPE a counter\n";
    const steps = federation.add(source(`${metadata}${"a 1\n".repeat(10_000)}`, "x.1"));
    steps.next();
    steps.return(Buffer.alloc(0));
    const next = atOnce(federation.add(source(`${metadata}a 2\n`, "x.2"))).toString();
    expect(next).toBe(`${metadata}a{job="shop_web",instance="x.2"} 2\n`);
  });

  it("adds job, instance and the time of the scrape to every sample", () => {
    expect(
      federate(
        source(
          '# HELP a b\n# TYPE a counter\na{c="d"} 1\na{job="e"} 2 1600000000000\n',
          "x.1",
          1700000000001,
        ),
        source('# HELP a c\n# TYPE a counter\na{c="d"} 3\nf 4', "x.2", 1700000000002),
        source("f 5\n", "x.3"),
      ),
    ).toBe(`# HELP a b
# TYPE a counter
a{job="shop_web",instance="x.1",c="d"} 1 1700000000001
a{job="shop_web",instance="x.1",exported_job="e"} 2 1600000000000
a{job="shop_web",instance="x.2",c="d"} 3 1700000000002
f{job="shop_web",instance="x.2"} 4 1700000000002
f{job="shop_web",instance="x.3"} 5
`);
  });

  it("keeps samples of a family with another type and does not repeat TYPE", () => {
    expect(
      federate(source("# TYPE a counter\na 1\n", "x.1"), source("# HELP a b\n# TYPE a gauge\na 2\n", "x.2")),
    ).toBe('# TYPE a counter\na{job="shop_web",instance="x.1"} 1\na{job="shop_web",instance="x.2"} 2\n');
  });

  it("writes no metadata after samples of a family, nor for a name that is part of another family", () => {
    const histogram = '# TYPE a histogram\na_bucket{le="1"} 1\na_count 1\n';
    expect(federate(source("b 1\n", "x"), source(`# TYPE b gauge\nb 2\n`, "y"))).not.toContain("#");
    expect(federate(source(histogram, "x"), source("# TYPE a_count gauge\na_count 2\n", "y"))).not.toContain(
      "gauge",
    );
    expect(federate(source("# TYPE a_count gauge\na_count 2\n", "y"), source(histogram, "x"))).toContain(
      "# TYPE a histogram\n",
    );
  });

  it("writes the metrics about scrapes, and leaves out series that would be the same", () => {
    const federation = new Federation("text");
    const about = { timestamp: 5, up: true, duration: 0.0014, samples: 2 };
    const from = source('up{} 1\nscrape_samples_scraped_total 2\n {"up"} 3 6\nup{x="y"} 4', "x");
    const reports = [{ ...about, labels: from.labels }];
    const output = [atOnce(federation.report(reports)), atOnce(federation.add(from))];
    expect(
      Buffer.concat(output).toString(),
    ).toBe(`# HELP up Whether the scrape of the target succeeded: 1 or 0.
# TYPE up gauge
up{job="shop_web",instance="x"} 1 5
# HELP scrape_duration_seconds Duration of the scrape.
# TYPE scrape_duration_seconds gauge
scrape_duration_seconds{job="shop_web",instance="x"} 0.001 5
# HELP scrape_samples_scraped Samples in the response.
# TYPE scrape_samples_scraped gauge
scrape_samples_scraped{job="shop_web",instance="x"} 2 5
scrape_samples_scraped_total{job="shop_web",instance="x"} 2
up{job="shop_web",instance="x",x="y"} 4
`);
  });

  it("writes nothing about no scrapes", () => {
    const federation = new Federation("text");
    expect(atOnce(federation.report([])).length).toBe(0);
    expect(atOnce(federation.add(source("up 1\n", "x"))).toString()).toContain("} 1\n");
  });

  it("converts OpenMetrics to text", () => {
    expect(
      federate(
        source(
          '# TYPE a counter\n# HELP a b\na_total 1 # {c="d"} 1\na_created 1\na_total{e="f"} 2 1600000000.5\n',
          "x",
          1700000000000,
          "openmetrics",
        ),
        source("# TYPE a_total counter\na_total 3\n", "y", 1700000000000),
      ),
    ).toBe(`# HELP a_total b
# TYPE a_total counter
a_total{job="shop_web",instance="x"} 1 1700000000000
# HELP a_created b
# TYPE a_created gauge
a_created{job="shop_web",instance="x"} 1 1700000000000
a_total{job="shop_web",instance="x",e="f"} 2 1600000000500
a_total{job="shop_web",instance="y"} 3 1700000000000
`);
  });

  it("keeps exemplars and units in OpenMetrics, with timestamps in seconds", () => {
    const federation = new Federation("openmetrics");
    const text = `# TYPE a_seconds counter
# UNIT a_seconds seconds
# HELP a_seconds b
a_seconds_total 1 # {c="d"} 1 1600000000.5
a_seconds_total{e="f"} 2 1600000000.5 # {c="d"} 1
a_seconds_total{instance="g"} 3 # {} 1
a_seconds_created 1
`;
    const from = source(text, "x", 1700000000001, "openmetrics");
    const report = { labels: from.labels, timestamp: 1700000000000, up: true, duration: 1, samples: 4 };
    const output = Buffer.concat([
      atOnce(federation.report([report])),
      atOnce(federation.add(from)),
      federation.end(),
    ]).toString();
    expect(output).toContain('\nup{job="shop_web",instance="x"} 1 1700000000\n');
    expect(output.slice(output.indexOf("# TYPE a_"))).toBe(`# TYPE a_seconds counter
# UNIT a_seconds seconds
# HELP a_seconds b
a_seconds_total{job="shop_web",instance="x"} 1 1700000000.001 # {c="d"} 1 1600000000.5
a_seconds_total{job="shop_web",instance="x",e="f"} 2 1600000000.5 # {c="d"} 1
a_seconds_total{job="shop_web",instance="x",exported_instance="g"} 3 1700000000.001 # {} 1
a_seconds_created{job="shop_web",instance="x"} 1 1700000000.001
# EOF
`);
    expect(openMetricsFault(output)).toBeUndefined();
  });

  it("writes seconds that Prometheus converts to the same milliseconds as those of the text format", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1e12, max: 4e12 }), (milliseconds) => {
        expect(toMilliseconds(writeTimestamp(milliseconds, "openmetrics"))).toBe(String(milliseconds));
      }),
      { numRuns: 10_000 },
    );
  });

  it("rewrites samples that strict parsers reject", () => {
    expect(federate(source('a {b="c\nd" ,}1\t\n\n# TYPE a gauge\n', "x", 5))).toBe(
      'a{job="shop_web",instance="x",b="c\\nd"} 1 5\n',
    );
  });

  it("distinguishes an escaped quote from a closing quote, wherever two lines start to differ", () => {
    for (let length = 0; length < 16; length++) {
      const same = "x".repeat(length);
      expect(federate(source(`a{b="${same}\\\\"} 1\na{b="${same}\\"} x"} 2\n`, "y", 5))).toBe(
        `a{job="shop_web",instance="y",b="${same}\\\\"} 1 5\na{job="shop_web",instance="y",b="${same}\\"} x"} 2 5\n`,
      );
    }
  });

  it("does not change earlier output when it adds a source", () => {
    const federation = new Federation("text");
    const first = atOnce(federation.add(source("a 1\n", "x")));
    atOnce(federation.add(source("b 2\n", "y")));
    expect(first.toString()).toBe('a{job="shop_web",instance="x"} 1\n');
  });

  const any = fc.oneof(
    textExposition.map(({ content }): [string, Format] => [content, "text"]),
    openMetricsExposition.map(({ content }): [string, Format] => [content, "openmetrics"]),
    similarExposition.map((content): [string, Format] => [content, "text"]),
    familiesExposition("text").map((content): [string, Format] => [content, "text"]),
    familiesExposition("openmetrics").map((content): [string, Format] => [content, "openmetrics"]),
  );

  it("produces valid text with the samples of all sources in order", () => {
    fc.assert(
      fc.property(fc.array(any, { maxLength: 4 }), (contents) => {
        const sources = contents.map(([content, format], index) => ({
          bytes: Buffer.from(content),
          format,
          labels: [["put", `x.${index}`]] as const,
          timestamp: 1700000000000 + index,
        }));
        const output = federate(...sources);
        const samples = readExposition(Buffer.from(output), "text").samples;
        expect(validate(Buffer.from(output), "text")).toEqual({
          ok: true,
          format: "text",
          samples: samples.length,
        });
        const wanted = sources.flatMap(({ bytes, format, labels, timestamp }) =>
          readExposition(bytes, format).samples.map((sample): ReadSample => {
            const time = format === "openmetrics" && sample.time !== undefined ? undefined : sample.time;
            const all = [...sample.labels, ...labels].sort(([one], [other]) => (one < other ? -1 : 1));
            return { ...sample, labels: all, time: time ?? String(timestamp), exemplar: undefined };
          }),
        );
        const comparable = (list: readonly ReadSample[], seconds: readonly boolean[]) =>
          list.map((sample, index) => sampleKey(seconds[index] ? { ...sample, time: undefined } : sample));
        const inSeconds = sources.flatMap(({ bytes, format }) =>
          readExposition(bytes, format).samples.map(
            ({ time }) => format === "openmetrics" && time !== undefined,
          ),
        );
        expect(comparable(samples, inSeconds)).toEqual(comparable(wanted, inSeconds));
        const headers = [...output.matchAll(/^# (?:HELP|TYPE) \S+ /gm)].map(([line]) => line);
        expect(new Set(headers).size).toBe(headers.length);
      }),
      { numRuns: 500 },
    );
  });
});
