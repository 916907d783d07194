import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hello } from "./hello.js";
import { type RawPeer, type SimNode, Simulation } from "./simulation.js";

let simulation: Simulation;
let node: SimNode;
let peer: RawPeer;

beforeEach(() => {
  simulation = new Simulation();
  node = simulation.add("n");
  node.target("web");
  peer = simulation.raw(node);
});
afterEach(() => simulation.dispose());

function kinds(): string[] {
  return peer.received.map(({ message }) => message.kind);
}

describe("a link", () => {
  it("sends hello first, then have every 5 s", async () => {
    await peer.channels.send(hello("o"));
    await simulation.deliver();
    expect(kinds()).toEqual(["hello", "follow", "have"]);
    for (let second = 0; second < 20; second++) {
      await peer.channels.send({ kind: "have", origins: [] });
      await simulation.advance(1000);
    }
    expect(kinds().filter((kind) => kind === "have").length).toBeGreaterThanOrEqual(5);
    expect(kinds().filter((kind) => kind === "have").length).toBeLessThanOrEqual(6);
  });

  it("closes if the first message is not hello", async () => {
    await peer.channels.send({ kind: "have", origins: [] });
    await simulation.deliver();
    expect(peer.error?.reason).toBe("protocol");
    expect(peer.error?.message).toBe("have before hello");
  });

  it("closes after 10 s of silence", async () => {
    await peer.channels.send(hello("o"));
    await simulation.advance(10_000);
    expect(peer.error).toBeUndefined();
    await simulation.advance(1500);
    expect(peer.error?.reason).toBe("timeout");
  });

  it("closes after too many requests", async () => {
    await peer.channels.send(hello("o"));
    for (let count = 0; count < 1000; count++) await peer.channels.send({ kind: "unfollow", origin: "x" });
    await simulation.deliver();
    expect(peer.error?.reason).toBe("limit");
  });

  it("closes if the peer has this node's name, and reports it", async () => {
    await peer.channels.send(hello("n", "zzz"));
    await simulation.deliver();
    expect(peer.error?.reason).toBe("same_name");
    expect(node.running.links.sharedNames()).toEqual(["n"]);
  });

  it("closes if the peer is this process", async () => {
    await peer.channels.send(hello("n", node.running.instance));
    await simulation.deliver();
    expect(peer.error?.message).toBe("the peer is this node");
    expect(node.running.links.sharedNames()).toEqual([]);
  });
});
