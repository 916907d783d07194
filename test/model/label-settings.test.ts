import { describe, expect, it } from "vitest";
import { expectsMetrics, readLabelSettings } from "../../src/model/label-settings.js";

describe("the labels of a container", () => {
  it("are undefined if labels are missing or empty", () => {
    expect(readLabelSettings({})).toEqual({ problems: [] });
    expect(readLabelSettings({ "metrics.port": "", "metrics.enable": " ", other: "x" })).toEqual({
      problems: [],
    });
  });

  it("set port, path, scheme, name and whether to ask at all", () => {
    const labels = {
      "metrics.enable": "true",
      "metrics.port": " 9000 ",
      "metrics.path": "/stats?all=1",
      "metrics.scheme": "HTTPS",
      "metrics.name": "shop",
      "metrics.auth": " team ",
    };
    expect(readLabelSettings(labels)).toEqual({
      enable: true,
      enableLabel: "metrics.enable=true",
      port: 9000,
      path: "/stats?all=1",
      scheme: "https",
      name: "shop",
      auth: "team",
      problems: [],
    });
  });

  it("may be those that Prometheus' Kubernetes users know", () => {
    const labels = {
      "prometheus.io/scrape": "False",
      "prometheus.io/port": "9000",
      "prometheus.io/path": "stats",
      "prometheus.io/scheme": "https",
    };
    expect(readLabelSettings(labels)).toEqual({
      enable: false,
      enableLabel: "prometheus.io/scrape=false",
      port: 9000,
      path: "/stats",
      scheme: "https",
      problems: [],
    });
  });

  it("count setting by setting, metrics.* before prometheus.io/*", () => {
    const labels = { "metrics.port": "1", "prometheus.io/port": "2", "prometheus.io/path": "/p" };
    expect(readLabelSettings(labels)).toEqual({ port: 1, path: "/p", problems: [] });
  });

  it.each([
    ["metrics.port", "abc", 'label metrics.port="abc" ignored: must be a port from 1 to 65535'],
    ["metrics.port", "0", 'label metrics.port="0" ignored: must be a port from 1 to 65535'],
    ["metrics.port", "65536", 'label metrics.port="65536" ignored: must be a port from 1 to 65535'],
    ["metrics.port", "80,81", 'label metrics.port="80,81" ignored: must be a port from 1 to 65535'],
    ["metrics.scheme", "ftp", 'label metrics.scheme="ftp" ignored: must be http or https'],
    ["metrics.enable", "maybe", 'label metrics.enable="maybe" ignored: must be true or false'],
    ["metrics.path", "/a\nb", 'label metrics.path="/a\\nb" ignored: must be a path such as /metrics'],
    ["metrics.path", "/a#b", 'label metrics.path="/a#b" ignored: must be a path such as /metrics'],
    [
      "metrics.name",
      "a/b",
      'label metrics.name="a/b" ignored: must be one segment of a path: no "/", not "-", "." or ".."',
    ],
  ])("tell in words that %s=%j cannot be used, and count as absent", (label, value, problem) => {
    expect(readLabelSettings({ [label]: value })).toEqual({ problems: [problem] });
  });

  it("use the other family if a label of one is invalid", () => {
    expect(readLabelSettings({ "metrics.port": "abc", "prometheus.io/port": "9000" })).toEqual({
      port: 9000,
      problems: ['label metrics.port="abc" ignored: must be a port from 1 to 65535'],
    });
  });

  it("make a target expected if they contain a port, path, scheme, name or credentials", () => {
    const expected = (labels: Record<string, string>) => expectsMetrics(readLabelSettings(labels));
    expect(expected({})).toBe(false);
    expect(expected({ "metrics.port": "abc" })).toBe(false);
    expect(expected({ "metrics.port": "9000" })).toBe(true);
    expect(expected({ "prometheus.io/scrape": "true" })).toBe(true);
    expect(expected({ "metrics.enable": "false", "metrics.port": "9000" })).toBe(false);
  });
});
