import { describe, expect, it } from "vitest";
import { openMetricsFault } from "./openmetrics-check.js";

const fault = (text: string) => openMetricsFault(`${text}# EOF\n`);

describe("openMetricsFault", () => {
  it.each([
    "",
    "# TYPE a counter\n# HELP a b\na_total 1\na_created 2\n",
    '# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n# HELP a_seconds b \\"c\\" \\\\ \\n\na_seconds_bucket{le="1"} 1 # {id="x"} 1 2\na_seconds_bucket{le="+Inf"} 1\na_seconds_sum 1\na_seconds_count 1\n',
    '# TYPE a info\na_info{b="c"} 1\n# TYPE d stateset\nd{d="on"} 1\n',
    '# TYPE a summary\na{quantile="0.5"} NaN\na_sum 1\na_count 1\n',
    '# TYPE a gaugehistogram\na_bucket{le="+Inf"} 1\na_gsum -1\na_gcount 1\n',
    'a 1 1700000000.5\nb{c="d",e="f"} 1\n',
    '# TYPE "my.metric" gauge\n{"my.metric","a.b"="c"} 1\n',
  ])("accepts %j", (text) => {
    expect(fault(text)).toBeUndefined();
  });

  it.each([
    ["a 1", "the last line does not end with a line feed"],
    ["a 1\n", "the last line is not # EOF"],
    ["# EOF\n\n", "the last line is not # EOF"],
    ["a 1\n# EOF\nb 1\n", "the last line is not # EOF"],
  ])("rejects %j: %s", (text, reason) => {
    expect(openMetricsFault(text)).toBe(reason);
  });

  it.each([
    ["# EOF\n", "not TYPE"],
    ["\na 1\n", "not a sample"],
    ["# comment\n", "not TYPE"],
    ["# TYPE a counter\n# TYPE a counter\n", "TYPE after TYPE"],
    ["# HELP a b\n# TYPE a gauge\n", "TYPE after HELP"],
    ["# HELP a_s b\n# UNIT a_s s\n", "UNIT after HELP"],
    ["# HELP a b\n# HELP a b\n", "HELP after HELP"],
    ['# HELP a "b"\n', "invalid escape"],
    ["# HELP a b\\q\n", "invalid escape"],
    ["a 1\n# TYPE a gauge\n", "TYPE after samples"],
    ["# TYPE a untyped\n", "unknown type"],
    ["# TYPE a gauge\n# TYPE b gauge\na 1\n", "not contiguous"],
    ['a 1\nb 1\na{c="d"} 1\n', "not contiguous"],
    ["# TYPE a counter\na 1\n", "not a sample of a counter"],
    ["# TYPE a histogram\na 1\n", "not a sample of a histogram"],
    ["# TYPE a gauge\na_total 1\na 1\n", "not contiguous"],
    ["# TYPE a histogram\na_bucket 1\n", "no label le"],
    ["# TYPE a summary\na 1\n", "no label quantile"],
    ["# TYPE a stateset\na 1\n", "no label a"],
    ["# TYPE a counter\na_total 1\n# TYPE a_total gauge\na_total 1\n", "the name of samples"],
    ["# UNIT a seconds\n", "does not end with the unit"],
    ["# TYPE a_b info\n# UNIT a_b b\n", "a unit for type info"],
    ["a 1\na 2\n", "duplicate series"],
    ['a{b="c",d="e"} 1\na{d="e",b="c"} 1\n', "duplicate series"],
    ['a{b="c",b="d"} 1\n', "duplicate label"],
    ['a{b="c",} 1\n', "not a sample"],
    ['a{b="\\q"} 1\n', "not a sample"],
    ["a  1\n", "not a sample"],
    ["a one\n", "not a number"],
    ["a 1 now\n", "not a timestamp"],
    ['# TYPE a gauge\na 1 # {b="c"} 1\n', "an exemplar on a gauge"],
    ['a_total 1 # {b="c"} 1\n', "an exemplar on a unknown"],
    ['# TYPE a counter\na_total 1 # {b="c"}\n', "not an exemplar"],
    ['# TYPE a counter\na_total 1 # {b="c"} one\n', "invalid number in the exemplar"],
  ])("rejects %j: %s", (text, reason) => {
    expect(fault(text)).toContain(reason);
  });
});
