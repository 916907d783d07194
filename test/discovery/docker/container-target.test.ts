import { describe, expect, it } from "vitest";
import { targetOf } from "../../../src/discovery/docker/container-target.js";

const node = { nodeHostname: "vm", ports: [80, 2137], metricsPath: "/metrics", listen: { port: 2137 } };
const container = {
  id: "ab".repeat(32),
  name: "agent",
  image: "",
  labels: {},
  createdAt: 0,
  networkMode: "host",
  networks: [],
};

describe("a target with credentials", () => {
  const reach = { kind: "address", address: "10.0.0.2", ownToo: false } as const;
  const targetWith = (labels: Record<string, string>) =>
    targetOf({ ...container, labels: { "metrics.port": "80", ...labels } }, reach, 0, node);

  it("takes the entry name from its label, and is expected to have metrics", () => {
    const { fetch, expected, problems } = targetWith({ "metrics.auth": "team" });
    expect(fetch).toEqual({ kind: "http", urls: ["http://10.0.0.2/metrics"], auth: "team" });
    expect([expected, problems]).toEqual([true, []]);
  });

  it("keeps an impossible entry name, so that other credentials are not used", () => {
    expect(targetWith({ "metrics.auth": "a\nb" }).fetch).toMatchObject({ auth: "a\nb" });
  });
});

describe("a target at an address of the proxy", () => {
  const reach = { kind: "address", address: "127.0.0.1", ownToo: true } as const;

  it("is not scraped at the port of the proxy", () => {
    expect(targetOf(container, reach, 0, node).fetch).toEqual({
      kind: "http",
      urls: ["http://127.0.0.1/metrics"],
    });
  });

  it("is unreachable if no other port is left", () => {
    const labelled = { ...container, labels: { "metrics.port": "2137" } };
    expect(targetOf(labelled, reach, 0, node).fetch).toEqual({
      kind: "none",
      state: "unreachable",
      reason: "no port to scrape at 127.0.0.1: port 2137 is the proxy itself",
    });
  });

  it("is scraped at that port at the address of a container", () => {
    const own = { kind: "address", address: "10.0.0.2", ownToo: false } as const;
    expect(targetOf(container, own, 0, node).fetch).toEqual({
      kind: "http",
      urls: ["http://10.0.0.2/metrics", "http://10.0.0.2:2137/metrics"],
    });
  });
});
