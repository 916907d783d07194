import { describe, expect, it } from "vitest";
import type { Format } from "../../src/exposition/format.js";
import type { Source } from "../../src/exposition/source.js";
import { merge } from "../support/at-once.js";
import { openMetricsFault } from "../support/openmetrics-check.js";

const source = (content: string, format: Format, labels: Source["labels"]): Source => ({
  bytes: Buffer.from(content),
  format,
  labels,
});
const text = (content: string, instance = "") => source(content, "text", [["instance", instance]]);
const om = (content: string, instance = "") =>
  source(`${content}# EOF\n`, "openmetrics", [["instance", instance]]);
const asText = (...sources: Source[]) => merge(sources, "text").bytes.toString();
const asOpenMetrics = (...sources: Source[]) => {
  const output = merge(sources, "openmetrics").bytes.toString();
  expect(openMetricsFault(output)).toBeUndefined();
  return output.replace(/# EOF\n$/, "");
};
const conflicts = (into: Format, ...sources: Source[]) => merge(sources, into).conflicts;

describe("merge", () => {
  it("groups the samples of each family and writes HELP and TYPE once", () => {
    const replica = (value: number) =>
      `# HELP a First.\n# TYPE a counter\na{b="c"} ${value}\na ${value}\n# TYPE d gauge\nd ${value} 1700000000000\n`;
    const merged = merge([text(replica(1), "x.1"), text(replica(2), "x.2")], "text");
    expect(merged.bytes.toString()).toBe(
      `# HELP a First.
# TYPE a counter
a{instance="x.1",b="c"} 1
a{instance="x.1"} 1
a{instance="x.2",b="c"} 2
a{instance="x.2"} 2
# TYPE d gauge
d{instance="x.1"} 1 1700000000000
d{instance="x.2"} 2 1700000000000
`,
    );
    expect(merged).toMatchObject({ samples: 6, conflicts: [] });
  });

  it("does the same for OpenMetrics with units, exemplars and _created", () => {
    const replica = (value: number) => `# TYPE a_seconds counter
# UNIT a_seconds seconds
# HELP a_seconds First.
a_seconds_total ${value} 1700000000.5 # {id="x"} 1 1700000000
a_seconds_created 1600000000
# TYPE b histogram
b_bucket{le="1"} ${value} # {} 0.5
b_bucket{le="+Inf"} ${value}
b_sum 1
b_count ${value}
b_created 1
`;
    expect(asOpenMetrics(om(replica(1), "x.1"), om(replica(2), "x.2"))).toBe(
      `# TYPE a_seconds counter
# UNIT a_seconds seconds
# HELP a_seconds First.
a_seconds_total{instance="x.1"} 1 1700000000.5 # {id="x"} 1 1700000000
a_seconds_created{instance="x.1"} 1600000000
a_seconds_total{instance="x.2"} 2 1700000000.5 # {id="x"} 1 1700000000
a_seconds_created{instance="x.2"} 1600000000
# TYPE b histogram
b_bucket{instance="x.1",le="1"} 1 # {} 0.5
b_bucket{instance="x.1",le="+Inf"} 1
b_sum{instance="x.1"} 1
b_count{instance="x.1"} 1
b_created{instance="x.1"} 1
b_bucket{instance="x.2",le="1"} 2 # {} 0.5
b_bucket{instance="x.2",le="+Inf"} 2
b_sum{instance="x.2"} 1
b_count{instance="x.2"} 2
b_created{instance="x.2"} 1
`,
    );
  });

  it("keeps all other types of OpenMetrics", () => {
    const types = `# TYPE a info
a_info{version="1"} 1
# TYPE b stateset
b{b="on"} 1
b{b="off"} 0
# TYPE c gaugehistogram
c_bucket{le="+Inf"} 1
c_gcount 1
c_gsum -1
# TYPE d summary
d{quantile="0.5"} NaN
d_sum 0
d_count 0
d_created 1
# TYPE e unknown
e 1
`;
    expect(asOpenMetrics(om(types))).toBe(types);
  });

  it("produces text if the formats differ", () => {
    expect(
      asText(
        om("# TYPE a counter\n# HELP a b\na_total 1\n", "x"),
        text("# TYPE a_total counter\na_total 2\n", "y"),
      ),
    ).toBe(`# HELP a_total b
# TYPE a_total counter
a_total{instance="x"} 1
a_total{instance="y"} 2
`);
    expect(() => merge([om("a 1\n"), text("a 1\n")], "openmetrics")).toThrow(RangeError);
  });

  it("produces an exposition without samples from no sources or empty ones", () => {
    expect(merge([], "text")).toEqual({ bytes: Buffer.from(""), samples: 0, conflicts: [] });
    expect(merge([], "openmetrics").bytes.toString()).toBe("# EOF\n");
    expect(asText(text("", "x"), text("\n# comment\n", "y"))).toBe("");
    expect(asText(text("# HELP a b\n# TYPE a counter\n", "x"))).toBe("# HELP a b\n# TYPE a counter\n");
  });

  it("uses the first HELP", () => {
    expect(
      asText(text("# HELP a\na 1\n", "x"), text("# HELP a b\na 1\n", "y"), text("# HELP a c\na 1\n", "z")),
    ).toMatch(/^# HELP a b\na\{/);
  });
});

describe("added labels", () => {
  const put = (line: string, labels: Source["labels"] = [["instance", "x"]]) =>
    asText(source(`${line} 1\n`, "text", labels)).replace(/ 1\n$/, "");

  it("are added to samples with and without labels", () => {
    expect(put("a")).toBe('a{instance="x"}');
    expect(put("a{}")).toBe('a{instance="x"}');
    expect(put('a{b="c"}')).toBe('a{instance="x",b="c"}');
    expect(put('a{b="c"}', [])).toBe('a{b="c"}');
    expect(put("a", [])).toBe("a");
    expect(
      put('a{b="c"}', [
        ["job", "x"],
        ["instance", 'y"\\\n'],
      ]),
    ).toBe('a{job="x",instance="y\\"\\\\\\n",b="c"}');
    expect(put("a", [["größe", "ö"]])).toBe('a{"größe"="ö"}');
  });

  it("rename existing labels of the same name to exported_<name>", () => {
    expect(put('a{instance="y"}')).toBe('a{instance="x",exported_instance="y"}');
    expect(put('a{b="c",instance="y",d="e"}')).toBe('a{instance="x",b="c",exported_instance="y",d="e"}');
    expect(put('a{"instance"="y"}')).toBe('a{instance="x",exported_instance="y"}');
    expect(put('a{exported_instance="z",instance="y"}')).toBe(
      'a{instance="x",exported_instance="z",exported_exported_instance="y"}',
    );
    const both: Source["labels"] = [
      ["job", "x"],
      ["exported_job", "y"],
    ];
    expect(put('a{job="1",exported_job="2"}', both)).toBe(
      'a{job="x",exported_job="y",exported_exported_job="1",exported_exported_exported_job="2"}',
    );
  });

  it("ignore labels with an empty value", () => {
    expect(put('a{instance=""}')).toBe('a{instance="x"}');
    expect(put('a{exported_instance="",instance="y"}')).toBe('a{instance="x",exported_instance="y"}');
    expect(put('a{instance="y"}', [["instance", ""]])).toBe('a{instance="y"}');
  });

  it("are added to samples with quoted names", () => {
    expect(put('{"my.metric"}')).toBe('{"my.metric",instance="x"}');
    expect(put('{"my.metric","a.b"="c",instance="y"}')).toBe(
      '{"my.metric",instance="x","a.b"="c",exported_instance="y"}',
    );
    expect(put('{a="b","my.metric"}')).toBe('{"my.metric",instance="x",a="b"}');
    expect(put('{"a"}')).toBe('a{instance="x"}');
  });

  it("rename labels consistently in similar lines", () => {
    const lines = (...values: string[]) =>
      values.map((value) => `a{b="${value}",instance="y${value}",c="d"} 1\n`).join("");
    expect(asText(text(lines("1", "22", "333", "4"), "x"))).toBe(
      ["1", "22", "333", "4"]
        .map((value) => `a{instance="x",b="${value}",exported_instance="y${value}",c="d"} 1\n`)
        .join(""),
    );
  });
});

describe("input that only strict parsers reject is rewritten", () => {
  it.each([
    [
      "HELP and TYPE twice",
      "# HELP a b\n# HELP a c\n# TYPE a gauge\n# TYPE a counter\na 1\n",
      "# HELP a b\n# TYPE a gauge\na 1\n",
    ],
    ["TYPE after samples", "a 1\n# TYPE a gauge\n", "# TYPE a gauge\na 1\n"],
    ["a split family", 'a 1\nb 1\na{c="d"} 1\n', 'a 1\na{c="d"} 1\nb 1\n'],
    ["a missing line feed at the end", "a 1", "a 1\n"],
    ["a line feed in quotes", 'a{b="c\nd"} 1\n', 'a{b="c\\nd"} 1\n'],
    ["an unknown escape", 'a{b="\\q\\\\\\"\\n"} 1\n', 'a{b="\\\\q\\\\\\"\\n"} 1\n'],
    ["odd spacing", 'a\t{ b = "c"  d="e" ,}1 \t5 \n', 'a{b="c",d="e"} 1 5\n'],
    ["whitespace after the value", "a 1 \t\n", "a 1\n"],
    ["no space after the brace", 'a{b="c"}1\n', 'a{b="c"} 1\n'],
    ["HELP without text", "# HELP a\na 1\n", "a 1\n"],
    ["an unknown escape in HELP", '# HELP a \\q\\n\\\\ "\na 1\n', '# HELP a \\\\q\\n\\\\ "\na 1\n'],
    [
      "HELP with unusual whitespace",
      " #\tHELP  a b\n#\tTYPE a gauge\na 1\n",
      "# HELP a b\n# TYPE a gauge\na 1\n",
    ],
    ["comments and blank lines", "# b\n\n \t\na 1\n#\n#HELP a b\n", "a 1\n"],
    ["text after a NUL", "a 1\n\0<html>\n", "a 1\n"],
    ["labels with an empty value", 'a{b=""} 1\n', "a 1\n"],
    [
      "a histogram with other samples",
      "# HELP a b\n# TYPE a histogram\na 1\na_sum 1\n",
      "# HELP a b\na 1\na_sum 1\n",
    ],
    ["a histogram without le", "# TYPE a histogram\na_bucket 1\n", "a_bucket 1\n"],
    ["a summary without quantile", "# TYPE a summary\na 1\n", "a 1\n"],
    [
      "a family with the name of a part of another family",
      '# TYPE a_count gauge\na_count{b="c"} 1\n# TYPE a histogram\na_count 1\n',
      '# TYPE a histogram\na_count{b="c"} 1\na_count 1\n',
    ],
  ])("text: %s", (_, content, expected) => {
    expect(asText(source(content, "text", []))).toBe(expected);
  });

  it.each([
    [
      "the order of metadata",
      "# HELP a_b c\n# UNIT a_b b\n# TYPE a_b gauge\na_b 1\n",
      "# TYPE a_b gauge\n# UNIT a_b b\n# HELP a_b c\na_b 1\n",
    ],
    ["quotes in HELP", '# HELP a "b" \\q\na 1\n', '# HELP a \\"b\\" \\\\q\na 1\n'],
    [
      "split families",
      '# TYPE a counter\n# TYPE b gauge\na_total 1\nb 1\na_created{c="d"} 1\n',
      '# TYPE a counter\na_total 1\na_created{c="d"} 1\n# TYPE b gauge\nb 1\n',
    ],
    ["a counter without _total", "# TYPE a counter\na 1\n", "a 1\n"],
    ["an info without _info", "# TYPE a info\na 1\n", "a 1\n"],
    ["a state set without states", "# TYPE a stateset\na 1\n", "a 1\n"],
    ["a unit of an info", "# TYPE a_b info\n# UNIT a_b b\na_b_info 1\n", "# TYPE a_b info\na_b_info 1\n"],
    [
      "an exemplar on a gauge",
      '# TYPE a gauge\na 1 2 # {b="c"} 1\na{d="e"} 1\n',
      '# TYPE a gauge\na 1 2\na{d="e"} 1\n',
    ],
    ["an exemplar without type", 'a_total 1 # {b="c"} 1\n', "a_total 1\n"],
    ["a trailing comma", 'a{b="c",} 1\n', 'a{b="c"} 1\n'],
  ])("OpenMetrics: %s", (_, content, expected) => {
    expect(asOpenMetrics(source(`${content}# EOF\n`, "openmetrics", []))).toBe(expected);
  });
});

describe("conflicting types", () => {
  it("leave out the family of the later source and nothing else", () => {
    const first = text('# TYPE a counter\na 1\n# TYPE b histogram\nb_bucket{le="1"} 1\nb_count 1\n', "x");
    const second = text("# TYPE a gauge\na 2\n# TYPE b gauge\nb 2\n# TYPE c gauge\nc 2\n", "y");
    expect(asText(first, second)).toBe(
      `# TYPE a counter
a{instance="x"} 1
# TYPE b histogram
b_bucket{instance="x",le="1"} 1
b_count{instance="x"} 1
# TYPE c gauge
c{instance="y"} 2
`,
    );
    expect(conflicts("text", first, second)).toEqual([
      { source: 1, family: "a", reason: "type gauge, but counter in the first source" },
      { source: 1, family: "b", reason: "type gauge, but histogram in the first source" },
    ]);
  });

  it("leave out all parts of a family", () => {
    const first = text("# TYPE a counter\na 1\n", "x");
    const second = text('# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n', "y");
    expect(merge([first, second], "text")).toMatchObject({
      samples: 1,
      conflicts: [{ source: 1, family: "a", reason: "type histogram, but counter in the first source" }],
    });
  });

  it("are ignored without samples", () => {
    const first = text("# TYPE a gauge\n", "x");
    const second = text("# TYPE a counter\na 2\n", "y");
    expect(asText(first, second)).toBe('# TYPE a counter\na{instance="y"} 2\n');
    expect(conflicts("text", first, second)).toEqual([]);
  });

  it("are ignored if the samples of the same source contradict them", () => {
    const first = text("# TYPE a histogram\na 1\n", "x");
    const second = text("# TYPE a gauge\na 2\n", "y");
    expect(asText(first, second)).toBe('# TYPE a gauge\na{instance="x"} 1\na{instance="y"} 2\n');
    expect(conflicts("text", first, second)).toEqual([]);
  });
});

describe("samples without a type", () => {
  it("join a family that they can be part of", () => {
    const untyped = text('a 1\nb_bucket{le="1"} 1\nb_count 1\nc{quantile="1"} 1\n', "x");
    const typed = text(
      "# TYPE a counter\na 2\n# TYPE b histogram\nb_count 2\n# TYPE c summary\nc_count 2\n",
      "y",
    );
    expect(asText(untyped, typed)).toBe(
      `# TYPE a counter
a{instance="x"} 1
a{instance="y"} 2
# TYPE b histogram
b_bucket{instance="x",le="1"} 1
b_count{instance="x"} 1
b_count{instance="y"} 2
# TYPE c summary
c{instance="x",quantile="1"} 1
c_count{instance="y"} 2
`,
    );
    expect(conflicts("text", untyped, typed)).toEqual([]);
    expect(conflicts("text", text("# TYPE a untyped\na 1\n"), text("# TYPE a gauge\na 1\n", "y"))).toEqual(
      [],
    );
  });

  it("are left out otherwise", () => {
    const untyped = text("b 1\nb_bucket 1\nb_sum 1\nc 1\n", "x");
    const typed = text("# TYPE b histogram\nb_sum 2\n# TYPE c summary\nc_sum 2\n", "y");
    expect(merge([untyped, typed], "text")).toMatchObject({
      samples: 3,
      conflicts: [
        { source: 0, family: "b", reason: "samples named b, but histogram in the first source" },
        {
          source: 0,
          family: "b",
          reason: "samples named b_bucket without label le, but histogram in the first source",
        },
        {
          source: 0,
          family: "c",
          reason: "samples named c without label quantile, but summary in the first source",
        },
      ],
    });
  });

  it("keep their own families if no source declares a type", () => {
    const untyped = "x_bucket 1\nx_sum 1\nx 1\n";
    expect(asText(source(untyped, "text", []))).toBe(untyped);
    expect(asText(text("# TYPE a untyped\na 1\n"))).toBe("# TYPE a untyped\na 1\n");
  });
});

describe("duplicate series", () => {
  it("are dropped, whatever the order of their labels", () => {
    const twice = text('a{b="c",d="e"} 1\na{d="e",b="c"} 2\na{d="e",b="c",f=""} 3\na{b="c"} 4\n', "x");
    expect(asText(twice)).toBe('a{instance="x",b="c",d="e"} 1\na{instance="x",b="c"} 4\n');
    expect(merge([twice], "text")).toMatchObject({
      samples: 2,
      conflicts: [
        {
          source: 0,
          family: "a",
          reason: 'duplicate series: a{instance="x",d="e",b="c"}',
        },
      ],
    });
  });

  it("are found in sources with the same added labels", () => {
    expect(asText(text("a 1\n", "x"), text("a 2\n", "x"), text("a 3\n", "y"))).toBe(
      'a{instance="x"} 1\na{instance="y"} 3\n',
    );
    const labels = (...list: Source["labels"]) => source("a 1\n", "text", list);
    expect(merge([labels(["x", "1"]), labels(["x", "1"], ["y", ""])], "text").samples).toBe(1);
    expect(merge([labels(["x", "1"], ["y", "2"]), labels(["y", "2"], ["x", "1"])], "text").samples).toBe(1);
    expect(merge([labels(["x", "1"]), labels(["x", "1"], ["y", "2"])], "text").samples).toBe(2);
    expect(
      merge([labels(["x", "1"], ["y", "2"]), source('a{y="2"} 5\n', "text", [["x", "1"]])], "text").samples,
    ).toBe(1);
  });

  it("differ from series with other label values", () => {
    const series = Array.from({ length: 5000 }, (_, index) => `a{b="${index}",c="${index % 7}"} 1\n`).join(
      "",
    );
    expect(merge([text(series, "x"), text(series, "y")], "text")).toMatchObject({
      samples: 10_000,
      conflicts: [],
    });
    expect(merge([text(series + series, "x")], "text").samples).toBe(5000);
  });
});

describe("metric names", () => {
  const names = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) => `m${from + index} 1\n`).join("");

  it("are limited for a source and for all sources together", () => {
    expect(merge([text(names(0, 100_000), "x"), text(names(0, 100_000), "y")], "text").samples).toBe(200_000);
    expect(() => merge([text(names(0, 100_001))], "text")).toThrow("more than 100000 metric names");
    expect(() => merge([text(names(0, 60_000), "x"), text(names(60_000, 60_000), "y")], "text")).toThrow(
      "more than 100000 metric names",
    );
  });
});

describe("order", () => {
  it("is that of first appearance across all sources", () => {
    const first = text("c 1\n# TYPE a gauge\na 1\n", "x");
    const second = text("d 1\na 2\nb 2\nc 2\n", "y");
    expect(asText(first, second).match(/^[a-d]\{instance="."/gm)).toEqual(
      ["c x", "c y", "a x", "a y", "d y", "b y"].map((line) => line.replace(/ (.)/, '{instance="$1"')),
    );
  });
});
