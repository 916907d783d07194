import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { candidateUrls } from "../../src/discovery/candidates.js";

function urlsOf({ address = "10.0.0.1", ports = [80], path = "/metrics" }) {
  return candidateUrls("http", address, ports, path);
}

describe("candidateUrls", () => {
  it("returns every port in order, without duplicates", () => {
    expect(urlsOf({ ports: [80, 8080, 9100, 8080] })).toEqual([
      "http://10.0.0.1/metrics",
      "http://10.0.0.1:8080/metrics",
      "http://10.0.0.1:9100/metrics",
    ]);
  });

  it("puts an IPv6 address in brackets", () => {
    expect(urlsOf({ address: "fd01::2", ports: [9100] })).toEqual(["http://[fd01::2]:9100/metrics"]);
  });

  it("keeps the query string, and the host for any path", () => {
    expect(urlsOf({ path: "/probe?target=a&x=1" })).toEqual(["http://10.0.0.1/probe?target=a&x=1"]);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (path) => {
        for (const url of urlsOf({ path: `/${path}` })) {
          expect(new URL(url).host).toBe("10.0.0.1");
        }
      }),
    );
  });

  it("omits invalid URLs", () => {
    expect(urlsOf({ address: "fe80::1%eth0" })).toEqual([]);
    expect(urlsOf({ address: "a b" })).toEqual([]);
  });
});
