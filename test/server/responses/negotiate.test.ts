import { describe, expect, it } from "vitest";
import { chooseFormat, readAccept } from "../../../src/server/responses/negotiate.js";

const prometheus2 =
  "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
const prometheus3 =
  "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
const protobufFirst =
  "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
const chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

describe("the format of a response", () => {
  it.each([
    ["Prometheus 2", prometheus2],
    ["Prometheus 3", prometheus3],
    ["one that names it before anything", "application/openmetrics-text, */*"],
    ["one that accepts only OpenMetrics", "application/openmetrics-text"],
    ["one with a quoted version", 'application/openmetrics-text; version="1.0.0"'],
  ])("for %s is OpenMetrics if all sources are", (_who, accept) => {
    expect(chooseFormat(readAccept(accept), ["openmetrics", "openmetrics"])).toBe("openmetrics");
    expect(chooseFormat(readAccept(accept), ["openmetrics", "text"])).toBe("text");
    expect(chooseFormat(readAccept(accept), ["text"])).toBe("text");
  });

  it.each([
    ["accepts only text", "text/plain"],
    ["accepts only text 0.0.4", "text/plain;version=0.0.4"],
    ["refuses OpenMetrics", "application/openmetrics-text;q=0, */*"],
    ["prefers text", "application/openmetrics-text;q=0.3, text/plain;q=0.7"],
    ["requests a future OpenMetrics version", "application/openmetrics-text;version=2.0.0, text/plain;q=0.5"],
    ["requests any text", "text/*"],
    ["prefers protobuf, then text", protobufFirst],
    ["sends no Accept", undefined],
    ["is curl or wget", "*/*"],
    ["is a browser", chromium],
    ["accepts any application format", "application/*"],
    ["requests JSON", "application/json"],
    ["names nothing", ""],
  ])("for a client that %s is text, whatever the sources are", (_who, accept) => {
    expect(chooseFormat(readAccept(accept), ["openmetrics"])).toBe("text");
  });

  it("tolerates invalid headers", () => {
    for (const accept of ["", ",", ";;;q=", "text/plain;q=abc", "text/plain;q=7", "a".repeat(100_000)]) {
      expect(["text", "openmetrics"]).toContain(chooseFormat(readAccept(accept), ["openmetrics"]));
    }
  });
});
