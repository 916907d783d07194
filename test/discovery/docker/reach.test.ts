import { describe, expect, it } from "vitest";
import type { EngineContainer } from "../../../src/discovery/docker/engine-objects.js";
import { reachOf, type Viewpoint } from "../../../src/discovery/docker/reach.js";

function container(
  name: string,
  networkMode: string,
  networks: Record<string, string> = {},
): EngineContainer {
  return {
    id: name,
    name,
    image: "",
    labels: {},
    createdAt: 0,
    networkMode,
    networks: Object.entries(networks).map(([network, address]) => ({
      name: network,
      id: `id of ${network}`,
      ...(address !== "" && { address }),
    })),
  };
}

function viewFrom(
  own: EngineContainer | undefined,
  changes: Partial<Viewpoint> & { others?: EngineContainer[] } = {},
) {
  const all = [...(own ? [own] : []), ...(changes.others ?? [])];
  return {
    own,
    find: (id: string) => all.find((one) => one.id === id),
    hostAddress: undefined,
    driverOf: (id: string) => (id.endsWith("overlay") || id.endsWith("ingress") ? "overlay" : "bridge"),
    ...changes,
  };
}

const at = (address: string, ownToo = false) => ({ kind: "address", address, ownToo });
const none = (reason: string) => ({ kind: "none", reason });

describe("from a container, another one is reached", () => {
  const own = container("proxy", "default", { b: "10.2.0.9", c: "10.3.0.9", ingress: "10.0.0.9" });

  it("on the network that both are on, the first by name", () => {
    const web = container("web", "a", { a: "10.1.0.2", b: "10.2.0.2", c: "10.3.0.2" });
    expect(reachOf(web, viewFrom(own))).toEqual(at("10.2.0.2"));
  });

  it("never on the ingress network", () => {
    const web = container("web", "default", { ingress: "10.0.0.2", shop: "10.4.0.2" });
    expect(reachOf(web, viewFrom(own))).toEqual(none("no shared network (networks: ingress, shop)"));
  });

  it("not at all where they share none", () => {
    const db = container("db", "x", { backend: "10.5.0.2", db: "10.6.0.2" });
    expect(reachOf(db, viewFrom(own))).toEqual(none("no shared network (networks: backend, db)"));
    expect(reachOf(container("job", "none", { none: "" }), viewFrom(own))).toEqual(
      none("no shared network (networks: none)"),
    );
  });

  it("not yet where its address is not known yet", () => {
    expect(reachOf(container("web", "b", { b: "" }), viewFrom(own))).toEqual(
      none("no address yet (networks: b)"),
    );
  });

  it("at the host's address where it is in the host's network", () => {
    const agent = container("agent", "host", { host: "" });
    expect(reachOf(agent, viewFrom(own, { hostAddress: "172.18.0.1" }))).toEqual(at("172.18.0.1", true));
    expect(reachOf(agent, viewFrom(own))).toMatchObject({
      kind: "none",
      reason: expect.stringContaining("HOST_ADDRESS"),
    });
  });

  it("where the container is whose network it uses", () => {
    const web = container("web", "b", { b: "10.2.0.2" });
    const sidecar = container("sidecar", "container:web");
    expect(reachOf(sidecar, viewFrom(own, { others: [web] }))).toEqual(at("10.2.0.2"));
    expect(reachOf(sidecar, viewFrom(own))).toEqual(
      none("no shared network (uses the network of a container that does not run)"),
    );
  });

  it("on loopback where it uses the proxy's own network", () => {
    expect(reachOf(container("sidecar", "container:proxy"), viewFrom(own))).toEqual(at("127.0.0.1", true));
  });
});

describe("from a container that uses another's network", () => {
  it("that one is on loopback, and the others on its networks", () => {
    const web = container("web", "b", { b: "10.2.0.2" });
    const db = container("db", "b", { b: "10.2.0.3" });
    const view = viewFrom(container("proxy", "container:web"), { others: [web, db] });
    expect(reachOf(web, view)).toEqual(at("127.0.0.1", true));
    expect(reachOf(db, view)).toEqual(at("10.2.0.3"));
  });
});

describe.each([
  ["the host", undefined],
  ["a container in the host's network", container("proxy", "host", { host: "" })],
])("from %s, a container is reached", (_, own) => {
  it("at its own address, on a bridge rather than elsewhere", () => {
    const web = container("web", "a", { a: "10.1.0.2", b: "10.2.0.2" });
    expect(reachOf(web, viewFrom(own))).toEqual(at("10.1.0.2"));
    const driverOf = (id: string) => (id === "id of a" ? "macvlan" : "bridge");
    expect(reachOf(web, viewFrom(own, { driverOf }))).toEqual(at("10.2.0.2"));
    expect(reachOf(web, viewFrom(own, { driverOf: () => undefined }))).toEqual(at("10.1.0.2"));
  });

  it("not on an overlay, which ends inside the containers", () => {
    const task = container("task", "default", { ingress: "10.0.0.2", overlay: "10.0.1.2" });
    expect(reachOf(task, viewFrom(own))).toEqual(none("no shared network (networks: ingress, overlay)"));
  });

  it("on loopback where it is in the host's network, unless HOST_ADDRESS is set", () => {
    const agent = container("agent", "host", { host: "" });
    expect(reachOf(agent, viewFrom(own))).toEqual(at("127.0.0.1", true));
    if (own === undefined) {
      expect(reachOf(agent, viewFrom(own, { hostAddress: "10.9.9.9" }))).toEqual(at("10.9.9.9", true));
    }
  });
});
