import { duplexPair } from "node:stream";
import { describe, expect, it } from "vitest";
import { PeerError } from "../../../src/replication/peer-error.js";
import { ArrivingMemory } from "../../../src/replication/wire/arriving-memory.js";
import { openChannels } from "../../../src/replication/wire/channel.js";
import type { Message } from "../../../src/replication/wire/messages.js";
import { clockAt } from "../../support/publications.js";

const mebibyte = 1024 * 1024;

/** Both ends of a link in memory. */
function pair({ sendMs = 5000, memory = new ArrivingMemory(16 * mebibyte, clockAt()) } = {}) {
  const [messagesHere, messagesThere] = duplexPair();
  const [scrapesHere, scrapesThere] = duplexPair();
  const ending = new AbortController();
  const options = {
    ended: ending.signal,
    sendMs,
    onBytes: () => undefined,
    arriving: memory,
  };
  const here = openChannels({ ...options, messages: messagesHere, scrapes: scrapesHere });
  const there = openChannels({ ...options, messages: messagesThere, scrapes: scrapesThere });
  return { here, there, ending, memory, messagesHere };
}

const follow: Message = { kind: "follow", origin: "node1", above: 7 };
const publication: Message = { kind: "publication", origin: "node1", number: 7, age: 3 };

describe("the channels of a link", () => {
  it("carry messages with their bodies in order, and free the memory of each", async () => {
    const { here, there, memory } = pair();
    const body = Buffer.alloc(100_000, "body");
    await here.send(follow);
    const sent = here.send(publication, body);
    const arriving = there.messages()[Symbol.asyncIterator]();
    expect((await arriving.next()).value).toMatchObject({ message: follow });
    expect((await arriving.next()).value).toEqual({ message: publication, body });
    expect(memory.used).toBeGreaterThan(0);
    await sent;
    await arriving.return?.();
    expect(memory.used).toBe(0);
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

  it("wait if a message does not fit into the memory for arriving data", async () => {
    const { here, there, memory } = pair();
    const release = await memory.take(16 * mebibyte, () => undefined);
    here.send(publication, Buffer.alloc(mebibyte)).catch(() => undefined);
    const next = there.messages()[Symbol.asyncIterator]().next();
    await expect.poll(() => there.isWaiting).toBe(true);
    release();
    expect((await next).value).toMatchObject({ message: publication });
    expect(there.isWaiting).toBe(false);
  });

  it("fail with `timeout` if a message takes too long while others wait", async () => {
    const clock = clockAt();
    const memory = new ArrivingMemory(mebibyte, clock);
    const { there, messagesHere } = pair({ memory });
    messagesHere.write(Buffer.from([0, 0, 0, 9, 0, 15, 0, 0, 1]));
    const next = there.messages()[Symbol.asyncIterator]().next();
    await expect.poll(() => memory.used).toBeGreaterThan(0);
    const waiting = memory.take(mebibyte, () => undefined);
    clock.advance(20_000);
    memory.tick();
    await expect(next).rejects.toMatchObject({ reason: "timeout" });
    await waiting;
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
