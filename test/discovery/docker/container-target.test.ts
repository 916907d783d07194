import { describe, expect, it } from "vitest";
import { targetOf } from "../../../src/discovery/docker/container-target.js";

const node = { nodeHostname: "vm", ports: [80, 2137], path: "/metrics", ownListenPort: 2137 };
const container = {
  id: "ab".repeat(32),
  name: "agent",
  image: "",
  labels: {},
  createdAt: 0,
  networkMode: "host",
  networks: [],
};

describe("a target that wants credentials", () => {
  const reach = { kind: "address", address: "10.0.0.2", ownToo: false } as const;
  const targetWith = (labels: Record<string, string>) =>
    targetOf({ ...container, labels: { "metrics.port": "80", ...labels } }, reach, 0, node);

  it("names them by its label, and should then have metrics", () => {
    const { fetch, expected, problems } = targetWith({ "metrics.auth": "team" });
    expect(fetch).toEqual({ kind: "http", urls: ["http://10.0.0.2/metrics"], auth: "team" });
    expect([expected, problems]).toEqual([true, []]);
  });

  it("keeps a name that nobody can have, so that it is not asked with others", () => {
    expect(targetWith({ "metrics.auth": "a\nb" }).fetch).toMatchObject({ auth: "a\nb" });
  });
});

describe("a target where the proxy itself may answer", () => {
  const reach = { kind: "address", address: "127.0.0.1", ownToo: true } as const;

  it("is never asked at the proxy's own port", () => {
    expect(targetOf(container, reach, 0, node).fetch).toEqual({
      kind: "http",
      urls: ["http://127.0.0.1/metrics"],
    });
  });

  it("has a reason where no other port is left", () => {
    const labelled = { ...container, labels: { "metrics.port": "2137" } };
    expect(targetOf(labelled, reach, 0, node).fetch).toEqual({
      kind: "none",
      state: "unreachable",
      reason: "nothing to ask at 127.0.0.1: port 2137 there is the proxy's own",
    });
  });

  it("is asked at that port where the address is a container's own", () => {
    const own = { kind: "address", address: "10.0.0.2", ownToo: false } as const;
    expect(targetOf(container, own, 0, node).fetch).toEqual({
      kind: "http",
      urls: ["http://10.0.0.2/metrics", "http://10.0.0.2:2137/metrics"],
    });
  });
});
