import { describe, expect, it } from "vitest";
import { noProxyRule } from "../../../src/scan/credentials/no-proxy.js";

function isDirect(noProxy: string, url: string): boolean {
  return noProxyRule(noProxy.split(","))(new URL(url));
}

describe("noProxyRule", () => {
  it.each([
    ["*", "http://anything"],
    ["10.0.0.1", "http://10.0.0.1:9100"],
    ["10.0.0.0/8", "http://10.200.3.4/"],
    ["fd00::/8", "http://[fd00::1]:9100/"],
    ["::ffff", "http://[0::ffff]/"],
    ["example.org", "http://example.org/"],
    ["example.org", "http://db.example.org/"],
    ["EXAMPLE.org", "http://db.Example.ORG./"],
    [".example.org", "http://db.example.org/"],
    ["*.example.org", "http://db.example.org/"],
    ["example.org:9100", "http://example.org:9100/"],
    ["example.org:443", "https://example.org/"],
    ["10.0.0.1:9100", "http://10.0.0.1:9100/"],
    ["[fd00::1]:9100", "http://[fd00::1]:9100/"],
    ["other", "http://127.0.0.1:9100/"],
    ["other", "http://localhost/"],
    ["other", "http://[::1]/"],
  ])("%s: %s bypasses the proxy", (noProxy, url) => {
    expect(isDirect(noProxy, url)).toBe(true);
  });

  it.each([
    ["10.0.0.1", "http://10.0.0.2/"],
    ["10.0.0.0/8", "http://11.0.0.1/"],
    ["10.0.0.0/99", "http://10.0.0.1/"],
    ["example.org", "http://badexample.org/"],
    [".example.org", "http://example.org/"],
    ["*.example.org", "http://example.org/"],
    ["example.org:9100", "http://example.org/"],
    ["10.0.0.1:9100", "http://10.0.0.1/"],
    ["nonsense/8", "http://nonsense/"],
  ])("%s: %s uses the proxy", (noProxy, url) => {
    expect(isDirect(noProxy, url)).toBe(false);
  });

  it("without no_proxy, everything uses the proxy, including loopback", () => {
    expect(noProxyRule([])(new URL("http://127.0.0.1/"))).toBe(false);
  });
});
