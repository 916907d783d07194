import { duplexPair } from "node:stream";
import { describe, expect, it } from "vitest";
import { MemoryBudget } from "../../../src/memory-budget.js";
import { PeerError } from "../../../src/replication/peer-error.js";
import { openChannels } from "../../../src/replication/wire/channel.js";
import type { Message } from "../../../src/replication/wire/messages.js";

const mebibyte = 1024 * 1024;

/** Both ends of a link in memory. */
function pair({ sendMs = 5000, budgetBytes = 64 * mebibyte } = {}) {
  const [messagesHere, messagesThere] = duplexPair();
  const [scrapesHere, scrapesThere] = duplexPair();
  const ending = new AbortController();
  const budget = new MemoryBudget(budgetBytes);
  const options = {
    ended: ending.signal,
    sendMs,
    onBytes: () => undefined,
    budget,
  };
  const here = openChannels({ ...options, messages: messagesHere, scrapes: scrapesHere });
  const there = openChannels({ ...options, messages: messagesThere, scrapes: scrapesThere });
  return { here, there, ending, budget, messagesHere };
}

const follow: Message = { kind: "follow", origin: "node1", above: 7 };
const publication: Message = { kind: "publication", origin: "node1", number: 7, age: 3 };

describe("the channels of a link", () => {
  it("carry messages with their bodies in order, and free the memory of each", async () => {
    const { here, there, budget } = pair();
    await Promise.all([here.send(follow), here.send(publication, Buffer.from("body"))]);
    const arriving = there.messages()[Symbol.asyncIterator]();
    expect((await arriving.next()).value).toMatchObject({ message: follow });
    expect((await arriving.next()).value).toEqual({ message: publication, body: Buffer.from("body") });
    expect(budget.used).toBeGreaterThan(0);
    await arriving.return?.();
    expect(budget.used).toBe(0);
  });

  it("carry scrapes in groups, and skip those that are not accepted", async () => {
    const { here, there } = pair();
    const member = (name: string, text: string) => ({ name, body: Buffer.from(text), mtime: 0 });
    await here.sendScrapes([member("a/1.gz", "one"), member("a/2.gz", "two")]);
    await here.sendScrapes([member("a/3.gz", "three")]);
    const arriving = there
      .scrapes(
        ({ name }) => name !== "a/2.gz",
        () => undefined,
      )
      [Symbol.asyncIterator]();
    const bodies: unknown[] = [];
    for (let count = 0; count < 3; count++) bodies.push((await arriving.next()).value?.body?.toString());
    expect(bodies).toEqual(["one", undefined, "three"]);
  });

  it("fail with `timeout` if the peer reads nothing", async () => {
    const { here } = pair({ sendMs: 200 });
    const sending = here.send(publication, Buffer.alloc(mebibyte));
    await expect(sending).rejects.toMatchObject({ reason: "timeout" });
  });

  it("fail with `limit` if a message does not fit into the memory budget", async () => {
    const { here, there, budget } = pair({ budgetBytes: 1000 });
    here.send(publication, Buffer.alloc(2000)).catch(() => undefined);
    await expect(there.messages()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ reason: "limit" });
    expect(budget.used).toBe(0);
  });

  it("fail with the reason for which the connection ended, on both sides", async () => {
    const { here, there, ending } = pair();
    const reading = there.messages()[Symbol.asyncIterator]().next();
    const sending = here.send(publication, Buffer.alloc(mebibyte));
    const reason = new PeerError("closed", "peer closed the connection");
    ending.abort(reason);
    await expect(reading).rejects.toBe(reason);
    await expect(sending).rejects.toBe(reason);
    await expect(here.send(follow)).rejects.toBe(reason);
  });
});
