import { describe, expect, it } from "vitest";
import { createValidator, maxLineBytes, type Validator } from "../../src/exposition/validator.js";
import { validate, validateUnknown } from "../support/validate.js";

const text = (content: string) => validate(Buffer.from(content), "text");
const openmetrics = (content: string) => validate(Buffer.from(content), "openmetrics");
const unknown = (content: string) => validateUnknown(Buffer.from(content));

describe("a valid exposition", () => {
  it("has a format and a number of samples", () => {
    expect(text('# HELP a b\n# TYPE a counter\na 1\na{b="c"} 2\n\n# end\nd NaN 5\n')).toEqual({
      ok: true,
      format: "text",
      samples: 3,
    });
    expect(openmetrics('# TYPE a counter\na_total 1 # {id="x"} 1\n# EOF\n')).toEqual({
      ok: true,
      format: "openmetrics",
      samples: 1,
    });
  });

  it("may be empty", () => {
    expect(text("")).toEqual({ ok: true, format: "text", samples: 0 });
    expect(text("# only a comment\n")).toEqual({ ok: true, format: "text", samples: 0 });
    expect(openmetrics("# EOF\n")).toEqual({ ok: true, format: "openmetrics", samples: 0 });
  });
});

describe("an invalid exposition is reported with line and reason", () => {
  it.each([
    ["<!DOCTYPE html>\n<html></html>\n", 1, "neither a sample nor a comment"],
    ["a 1\nb\n", 2, "sample without a value"],
    ['a 1\n\n# c\nb{c="d"}\n', 4, "sample without a value"],
    ["a 1e\n", 1, "value is not a number"],
    ["a 1\nb 1 soon\n", 2, "timestamp is not a whole number of milliseconds"],
    ["a 1 5 5\n", 1, "unexpected text after the timestamp"],
    ["a 1\n b 1\n", 2, "whitespace before a sample"],
    ["# TYPE a thing\n", 1, "unknown type"],
    ["# TYPE 1 counter\n", 1, "TYPE without a metric name"],
    ["# HELP 1 counter\n", 1, "HELP without a metric name"],
    ["a{1} 1\n", 1, "invalid label name"],
    ["a{\n", 1, "unclosed brace"],
    ["a{b} 1\n", 1, "label without ="],
    ["a{b=c} 1\n", 1, "label value without quotes"],
    ['a{b="c"; 1\n', 1, "invalid label name"],
    ['a{b="c",b="d"} 1\n', 1, "duplicate label"],
    ['a{"b"="c",b="d"} 1\n', 1, "duplicate label"],
    ['a{"b\\n"="c","b\\n"="d"} 1\n', 1, "duplicate label"],
    ['a{__name__="c"} 1\n', 1, "label named __name__"],
    ['a{""="c"} 1\n', 1, "empty label name"],
    ['{""} 1\n', 1, "empty metric name"],
    ['{a="b"} 1\n', 1, "sample without a metric name"],
    ['{"a","b"} 1\n', 1, "second metric name"],
    ['a{"b"} 1\n', 1, "second metric name"],
    ['a 1\nb{c="d} 1\ne 1\nf 1\n', 2, "unterminated quoted string"],
    ['a{b="c\\\n"} 1\n', 1, "backslash at the end of a line"],
    ['a{b="\n\n"} 1\nb\n', 4, "sample without a value"],
  ])("text: %j", (content, line, reason) => {
    expect(text(content)).toEqual({ ok: false, line, reason });
  });

  it.each([
    ["", 1, "missing # EOF at the end"],
    ["a 1\nb 1\n", 3, "missing # EOF at the end"],
    ["a 1\nb 1", 2, "missing # EOF at the end"],
    ["a 1\n# EOF\nb 1\n", 3, "data after # EOF"],
    ["# EOF\n\n", 2, "data after # EOF"],
    ["a 1\n\n# EOF\n", 2, "blank line"],
    ["# a\n# EOF\n", 1, "comment is not HELP, TYPE, UNIT or EOF"],
    ["# TYPE a untyped\n# EOF\n", 1, "unknown type"],
    ["# HELP 1 a\n# EOF\n", 1, "metadata without a metric name"],
    ["# HELP a\n# EOF\n", 1, "no space after the metric name"],
    ["# UNIT a b\n# EOF\n", 1, "metric name does not end with its unit"],
    ["a\n# EOF\n", 1, "sample without a value"],
    ["a\t1\n# EOF\n", 1, "no space before the value"],
    ["a  1\n# EOF\n", 1, "value is not a number"],
    ["a 1 soon\n# EOF\n", 1, "timestamp is not a number of seconds"],
    ["a 1 1 1\n# EOF\n", 1, "unexpected text after the sample"],
    ['a{b="c" d="e"} 1\n# EOF\n', 1, "missing comma or closing brace after a label"],
    ['a{b="c\n"} 1\n# EOF\n', 1, "unterminated quoted string"],
    ['a 1\na_total 1 # {b="c} 1\n# EOF\n', 2, "exemplar: unterminated quoted string"],
    ['a_total 1 # {b="c"}\n# EOF\n', 1, "exemplar without a value"],
    ['a_total 1 # {b="c"} one\n# EOF\n', 1, "exemplar: value is not a number"],
  ])("OpenMetrics: %j", (content, line, reason) => {
    expect(openmetrics(content)).toEqual({ ok: false, line, reason });
  });

  it("invalid UTF-8", () => {
    const verdict = validate(Buffer.from('a 1\nb{c="\u00ff"} 1\n', "latin1"), "text");
    expect(verdict).toEqual({ ok: false, line: 2, reason: "invalid UTF-8 in a quoted string" });
  });
});

describe("a series similar to the previous one", () => {
  // Series that share names and values with the previous one take a fast path. It must not skip checks.
  const family = (second: string) => text(`a{b="same value",c="1",d="tail"} 1\n${second}\nz 1\n`);

  it.each([
    'a{b="same value",c="2",d="tail"} 1',
    'a{b="same value",c="1",d="tail"} 1',
    'a{b="same value that goes on",c="",d="tail"} 1',
    'a{b="same va",c="1",d="tail"} 1',
    'a{b="same va\\"lue",c="1",d="tail"} 1',
    'a{b="same value",c="1"} 1',
    'a{b="same value",c="1",d="tail",e="f"} 1',
    'a{b="same value",c="1",d="tail" } 1',
    "a 1",
  ])("is valid: %s", (line) => {
    expect(family(line)).toEqual({ ok: true, format: "text", samples: 3 });
  });

  it.each([
    'a{b="same value",c="1",d="tail} 1',
    'a{b="same value",c="1",d="tail" 1',
    'a{b="same value",c="1",d="tail"}',
    'a{b="same value",c=1,d="tail"} 1',
    'a{b="same value",c="1",c="tail"} 1',
    'a{b="same value","c"="1",c="tail"} 1',
    'a{b="same value"',
    "a{b",
  ])("is invalid: %s", (line) => {
    expect(family(line)).toMatchObject({ ok: false, line: 2 });
  });

  it("does not learn a pattern with empty label values", () => {
    expect(text('a{b="",b="c"} 1\na{b="",b="c"} 1\n')).toMatchObject({ ok: true });
    expect(text('a{b="",b="c"} 1\na{b="x",b="c"} 1\n')).toMatchObject({ ok: false, line: 2 });
  });

  it("is not compared with a buffer that has been overwritten", () => {
    const buffer = Buffer.from('a{b="0123456789abcdef"} 1\n');
    const validator = createValidator("text");
    expect(validator.push(buffer)).toBe(true);
    buffer.write('a{b="0123456789\\"ef"} 1\n', 0);
    expect(validator.push(buffer.subarray(0, -2))).toBe(true);
    buffer.write('a{b="0123456789"""f"} 1\n', 0);
    expect(validator.push(buffer)).toBe(false);
  });

  it("is checked for UTF-8", () => {
    const bytes = Buffer.from('a{b="x"} 1\na{b="\u00ff"} 1\n', "latin1");
    expect(validate(bytes, "text")).toEqual({
      ok: false,
      line: 2,
      reason: "invalid UTF-8 in a quoted string",
    });
  });
});

describe("a text in pieces", () => {
  it("is rejected at the first error", () => {
    const validator = createValidator("text");
    expect(validator.push(Buffer.from("a 1\nb"))).toBe(true);
    expect(validator.push(Buffer.from("\nc 1\n"))).toBe(false);
    expect(validator.push(Buffer.from("d 1\n"))).toBe(false);
    expect(validator.end()).toEqual({ ok: false, line: 2, reason: "sample without a value" });
  });

  it("is rejected if a line exceeds the limit", () => {
    const tooLong = { ok: false, line: 1, reason: "line longer than 262144 bytes" };
    const chunk = Buffer.alloc(maxLineBytes / 16, "#");
    const validator = createValidator("text");
    let chunks = 0;
    while (validator.push(chunk)) chunks++;
    expect(chunks).toBe(16);
    expect(validator.end()).toEqual(tooLong);
    expect(validate(Buffer.alloc(maxLineBytes + 1, "#"), "text")).toEqual(tooLong);
    expect(validate(Buffer.concat([Buffer.alloc(maxLineBytes + 1, "#"), Buffer.from("\n")]), "text")).toEqual(
      tooLong,
    );
  });

  it("counts a multi-line quoted string up to its end, not those after it", () => {
    const line = `a{b="${"\n".repeat(maxLineBytes - 1000)}"} 1\n`;
    const validator = createValidator("text");
    const bytes = Buffer.from(line.repeat(3));
    for (let pos = 0; pos < bytes.length; pos += 65_536) validator.push(bytes.subarray(pos, pos + 65_536));
    expect(validator.end()).toMatchObject({ ok: true, samples: 3 });
  });

  it("is rejected in linear time if a multi-line quoted string exceeds the limit", () => {
    const validator = createValidator("text");
    validator.push(Buffer.from('a{b="'));
    const lines = Buffer.from("\n".repeat(1024));
    let accepted = 0;
    while (validator.push(lines)) accepted += lines.length;
    expect(accepted).toBeGreaterThan(maxLineBytes - 2048);
    expect(validator.end()).toMatchObject({ ok: false, line: 1 });
  });

  it("is rejected if a sample has too many labels", () => {
    const labels = (length: number) => Array.from({ length }, (_, index) => `l${index}="v"`).join(",");
    expect(text(`a{${labels(1000)}} 1\n`)).toMatchObject({ ok: true });
    expect(text(`a{${labels(1001)}} 1\n`)).toEqual({ ok: false, line: 1, reason: "more than 1000 labels" });
  });
});

describe("a text of unknown format", () => {
  it("is OpenMetrics if all of it is valid OpenMetrics", () => {
    expect(unknown("a 1 1700000000.5\n# EOF\n")).toEqual({ ok: true, format: "openmetrics", samples: 1 });
    expect(unknown("a 1\n# EOF\n")).toEqual({ ok: true, format: "openmetrics", samples: 1 });
  });

  it("is the text format otherwise", () => {
    expect(unknown("a 1\n")).toEqual({ ok: true, format: "text", samples: 1 });
    expect(unknown("# a comment\na 1\n# EOF\n")).toEqual({ ok: true, format: "text", samples: 1 });
  });

  it("is reported with the error that occurs later", () => {
    expect(unknown("<html>\n")).toEqual({ ok: false, line: 1, reason: "neither a sample nor a comment" });
    expect(unknown("# comment\na\n")).toEqual({ ok: false, line: 2, reason: "sample without a value" });
    expect(unknown('a_total 1 # {b="c"} 1\nb 1\n')).toEqual({
      ok: false,
      line: 3,
      reason: "missing # EOF at the end",
    });
  });

  it("is rejected once it is invalid in both formats", () => {
    const push = (validator: Validator, content: string) => validator.push(Buffer.from(content));
    const validator = createValidator(undefined);
    expect(push(validator, "# no OpenMetrics comment\n")).toBe(true);
    expect(push(validator, "a 1\n")).toBe(true);
    expect(push(validator, "no text either\n")).toBe(false);
    expect(validator.end()).toMatchObject({ ok: false, line: 3 });
  });
});
