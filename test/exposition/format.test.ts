import { describe, expect, it } from "vitest";
import { acceptHeader, contentTypes, formatOfContentType } from "../../src/exposition/format.js";

describe("formatOfContentType", () => {
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
  ])("maps %s to %s", (header, format) => {
    expect(formatOfContentType(header)).toBe(format);
  });

  it("recognizes the content types that the proxy serves", () => {
    expect(formatOfContentType(contentTypes.text)).toBe("text");
    expect(formatOfContentType(contentTypes.openmetrics)).toBe("openmetrics");
  });
});

describe("acceptHeader", () => {
  it("prefers OpenMetrics 1.0.0 to text 0.0.4 and excludes protobuf", () => {
    expect(acceptHeader).toMatch(
      /^application\/openmetrics-text;version=1\.0\.0,.*text\/plain;version=0\.0\.4;q=/,
    );
    expect(acceptHeader).not.toContain("protobuf");
  });
});
