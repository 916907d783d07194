import { describe, expect, it } from "vitest";
import { acceptHeader, contentTypes, formatOfContentType } from "../../src/exposition/format.js";

describe("the format that a content type promises", () => {
  it.each([
    ["text/plain; version=0.0.4; charset=utf-8", "text"],
    ["text/plain;version=0.0.4", "text"],
    ["text/plain", "text"],
    ["Text/Plain ; charset=us-ascii", "text"],
    ["application/openmetrics-text; version=1.0.0; charset=utf-8", "openmetrics"],
    ["application/openmetrics-text;version=0.0.1", "openmetrics"],
    ["application/openmetrics-text", "openmetrics"],
    ["text/html; charset=utf-8", undefined],
    ["application/json", undefined],
    ["text/plainer", undefined],
    ["application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("%s is %s", (header, format) => {
    expect(formatOfContentType(header)).toBe(format);
  });

  it("is what each format's own content type says", () => {
    expect(formatOfContentType(contentTypes.text)).toBe("text");
    expect(formatOfContentType(contentTypes.openmetrics)).toBe("openmetrics");
  });
});

describe("what a target is asked for", () => {
  it("is OpenMetrics 1.0.0 before text 0.0.4, and no protobuf", () => {
    expect(acceptHeader).toMatch(
      /^application\/openmetrics-text;version=1\.0\.0,.*text\/plain;version=0\.0\.4;q=/,
    );
    expect(acceptHeader).not.toContain("protobuf");
  });
});
