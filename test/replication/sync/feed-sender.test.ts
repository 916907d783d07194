import { afterEach, describe, expect, it } from "vitest";
import { encodePublication } from "../../../src/archive/publication-json.js";
import { Cache } from "../../../src/cache/cache.js";
import { silentLogger } from "../../../src/logging.js";
import { MemoryBudget } from "../../../src/memory-budget.js";
import type { LinkEnd, SyncContext } from "../../../src/replication/sync/context.js";
import { FeedSender } from "../../../src/replication/sync/feed-sender.js";
import { hello } from "./hello.js";
import { type RawPeer, Simulation } from "./simulation.js";

let simulation: Simulation | undefined;
afterEach(() => simulation?.dispose());

describe("an origin", () => {
  it("accepts 32 followers, and another one once one of them has left", async () => {
    simulation = new Simulation();
    const node = simulation.add("n");
    const peers: RawPeer[] = [];
    for (let index = 0; index < 34; index++) {
      const peer = simulation.raw(node);
      peers.push(peer);
      await peer.channels.send(hello(`p${index}`));
      await peer.channels.send({ kind: "follow", origin: "n", above: 0 });
    }
    await simulation.deliver();
    const refused = () =>
      peers.filter(({ received }) => received.some(({ message }) => message.kind === "refuse"));
    expect(refused()).toHaveLength(2);
    const [first] = peers.filter((peer) => !refused().includes(peer));
    first!.link.fail(new Error("closed by the test"));
    await simulation.deliver();
    const [again] = refused();
    again!.received.length = 0;
    await again!.channels.send({ kind: "follow", origin: "n", above: 0 });
    await simulation.deliver();
    expect(refused()).toHaveLength(1);
  });

  it("refuses more than 10,000 requested scrapes", async () => {
    simulation = new Simulation();
    const node = simulation.add("n");
    const peer = simulation.raw(node);
    await peer.channels.send(hello("o"));
    await simulation.deliver();
    simulation.connections[0]!.stalled = true;
    const numbers = Array.from({ length: 1000 }, (_, index) => index + 1);
    expect(() => {
      for (let count = 0; count < 12; count++)
        peer.link.sender.fetch({ kind: "fetch", origin: "n", numbers });
    }).toThrow("10000");
  });
});

/** A sender, its cache, and what it sent; each send takes one turn of the microtask queue. */
function directSender() {
  const clock = { now: () => 1_700_000_000_000, monotonic: () => 1_000_000 };
  const budget = new MemoryBudget(1e9);
  const cache = new Cache({ clock, staleAfter: 60, history: 60, budget, logger: silentLogger });
  const sent: number[] = [];
  const channels = {
    send: async (message: { kind: string; number?: number }) => {
      sent.push(message.number!);
    },
  };
  const link: Partial<LinkEnd> = {
    channels: channels as never,
    context: { cache, clock, origin: "n" } as unknown as SyncContext,
    peer: hello("peer"),
    permits: () => true,
    fail: (error) => {
      throw error;
    },
  };
  const sender = new FeedSender(link as LinkEnd, new Set());
  cache.addListener({ onComplete: ({ publication }) => sender.notify(publication.origin) });
  const publish = (number: number) => {
    const publication = {
      kind: "batch" as const,
      origin: "o",
      number,
      instance: "i",
      time: 0,
      attempts: [],
    };
    cache.add({ publication, ...encodePublication(publication), at: 1_000_000 });
  };
  return { sender, sent, publish };
}

describe("a follower", () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
    "gets what is published %i microtasks after the last send",
    async (count) => {
      const { sender, sent, publish } = directSender();
      sender.follow("o", 0);
      publish(1);
      for (let turn = 0; turn < count; turn++) await Promise.resolve();
      publish(2);
      await new Promise((resolve) => setImmediate(resolve));
      expect(sent).toEqual([1, 2]);
    },
  );

  it.each([0, 1, 2, 3, 4])(
    "gets everything again if it follows from 0 again after %i microtasks",
    async (count) => {
      const { sender, sent, publish } = directSender();
      publish(1);
      publish(2);
      publish(3);
      sender.follow("o", 0);
      for (let turn = 0; turn < count; turn++) await Promise.resolve();
      sender.follow("o", 0);
      await new Promise((resolve) => setImmediate(resolve));
      expect(sent.slice(-3)).toEqual([1, 2, 3]);
    },
  );
});
