import { crc32, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { scrapeMemberName } from "../../../src/archive/members.js";
import { encodePublication } from "../../../src/archive/publication-json.js";
import { targetKeyOf } from "../../../src/archive/target-key.js";
import { maxOrigins } from "../../../src/replication/wire/messages.js";
import { hello } from "./hello.js";
import { memoryOfNode, type RawPeer, type SimNode, Simulation } from "./simulation.js";

const text = Buffer.from("# a scrape of some length\nup 1\n");
const gzip = gzipSync(text);
const base = 1_700_000_000_000_000;
const target = targetKeyOf("test:web");

let simulation: Simulation;
let node: SimNode;
let peer: RawPeer;

beforeEach(async () => {
  simulation = new Simulation();
  node = simulation.add("n");
  node.scanning = false;
  peer = await connect();
});
afterEach(() => simulation.dispose());

async function connect(): Promise<RawPeer> {
  const raw = simulation.raw(node);
  await raw.channels.send(hello("o"));
  await simulation.deliver();
  return raw;
}

async function publish(number: number, scrapes: readonly number[]): Promise<void> {
  const attempts = scrapes.map((scrape) => ({
    target,
    ago: 0,
    duration: 0,
    outcome: { number: scrape, contentType: "text/plain; version=0.0.4", size: text.length, samples: 1 },
  }));
  const time = 1_700_000_000_000;
  const batch = { kind: "batch" as const, origin: "o", number, instance: "i-o", time, attempts };
  const { bytes } = encodePublication(batch);
  await peer.channels.send({ kind: "publication", origin: "o", number, age: 0 }, bytes);
  await simulation.deliver();
}

async function sendScrape(number: number, body = gzip, crc = crc32(body)): Promise<void> {
  const name = scrapeMemberName({ origin: "o", job: "web", replica: "1", number }, crc);
  await peer.channels.sendScrapes([{ name, body, mtime: 0 }]);
  await simulation.deliver();
}

function fetched(): number[] {
  return peer.received.flatMap(({ message }) => (message.kind === "fetch" ? message.numbers : []));
}

/** Lets time pass while the peer is not silent. */
async function wait(
  seconds: number,
  everySecond: () => Promise<void> = async () => undefined,
): Promise<void> {
  for (let second = 0; second < seconds && peer.error === undefined; second++) {
    await peer.channels.send({ kind: "have", origins: [] });
    await everySecond();
    await simulation.advance(1000);
  }
}

describe("a scrape that a batch names", () => {
  it("is requested once and stored", async () => {
    await publish(base + 2, [base + 1]);
    await publish(base + 3, [base + 1]);
    expect(fetched()).toEqual([base + 1]);
    expect(node.running.cache.feed("o")?.held).toBe(0);
    await sendScrape(base + 1);
    expect(node.running.cache.feed("o")?.held).toBe(base + 3);
    expect(node.running.cache.feed("o")?.scrapes.gzipOf(base + 1)).toEqual(gzip);
    const { used, held } = memoryOfNode(node);
    expect(used).toBe(held);
  });

  it("is given up if there is no memory for it", async () => {
    const { budget, cache } = node.running;
    await publish(base + 2, [base + 1]);
    budget.take(budget.maxBytes - budget.used);
    await sendScrape(base + 1);
    expect(cache.feed("o")?.held).toBe(base + 2);
    expect(cache.feed("o")?.scrapes.gzipOf(base + 1)).toBeUndefined();
    expect(budget.used).toBe(budget.maxBytes);
    expect(peer.error).toBeUndefined();
  });

  it("is not requested again on a link that does not have it", async () => {
    await publish(base + 2, [base + 1]);
    await peer.channels.send({ kind: "absent", origin: "o", numbers: [base + 1] });
    await publish(base + 3, [base + 1]);
    expect(fetched()).toEqual([base + 1]);
    expect(node.running.cache.feed("o")?.held).toBe(base + 3);
  });

  it.each([
    ["a wrong checksum", gzip, 1],
    ["another size", gzipSync("short"), undefined],
    ["no gzip stream", Buffer.from("this is no gzip stream at all"), undefined],
  ])("is not requested again on a link that sent it with %s", async (_, body, crc) => {
    await publish(base + 2, [base + 1]);
    await sendScrape(base + 1, body, crc);
    await publish(base + 3, [base + 1]);
    expect(fetched()).toEqual([base + 1]);
    expect(node.running.cache.feed("o")?.held).toBe(base + 3);
    const { used, held } = memoryOfNode(node);
    expect(used).toBe(held);
    expect(peer.error).toBeUndefined();
  });

  it("closes the link if it was not requested", async () => {
    await sendScrape(base + 1);
    expect(peer.error?.message).toContain("not requested");
  });

  it("returns its memory if it is reported absent while it arrives", async () => {
    await publish(base + 2, [base + 1]);
    const name = scrapeMemberName({ origin: "o", job: "web", replica: "1", number: base + 1 }, crc32(gzip));
    await peer.channels.sendScrapes([{ name, body: gzip, mtime: 0 }]);
    const { memory } = simulation.connections[0]!;
    await simulation.deliver(0);
    await memory.directions[1].scrapes.deliver();
    await peer.channels.send({ kind: "absent", origin: "o", numbers: [base + 1] });
    await memory.directions[1].messages.deliver();
    await simulation.deliver();
    const { used, held } = memoryOfNode(node);
    expect(used).toBe(held);
  });
});

describe("timeouts", () => {
  it("closes a link without a byte of a requested scrape for 5 s", async () => {
    await publish(base + 2, [base + 1]);
    await wait(5);
    expect(peer.error).toBeUndefined();
    await wait(2);
    expect(peer.error?.reason).toBe("timeout");
    expect(peer.error?.message).toContain("no data");
  });

  it("closes a link whose scrapes take more than 60 s in all", async () => {
    await publish(base + 1000, [base + 1, ...Array.from({ length: 80 }, (_, index) => base + 2 + index)]);
    let sent = base + 2;
    await wait(60, () => sendScrape(sent++));
    expect(peer.error).toBeUndefined();
    await wait(3, () => sendScrape(sent++));
    expect(peer.error?.reason).toBe("timeout");
    expect(peer.error?.message).toContain("60 s");
    const { used, held } = memoryOfNode(node);
    expect(used).toBe(held);
  });
});

it("ignores a publication that it does not follow on the link", async () => {
  const { bytes } = encodePublication({
    kind: "batch",
    origin: "other",
    number: base,
    instance: "i",
    time: 0,
    attempts: [],
  });
  await peer.channels.send({ kind: "publication", origin: "other", number: base, age: 0 }, bytes);
  await simulation.deliver();
  expect(node.running.cache.feed("other")).toBeUndefined();
  expect(peer.error).toBeUndefined();
});

it("a document for which there is no memory is requested again after a minute", async () => {
  const { budget, cache } = node.running;
  const taken = budget.maxBytes - budget.used;
  budget.take(taken);
  const header = { origin: "o", number: base + 1, instance: "i-o", time: 1_700_000_000_000 };
  const { bytes } = encodePublication({ kind: "targets", ...header, targets: [] });
  const send = async () => {
    await peer.channels.send({ kind: "publication", origin: "o", number: base + 1, age: 0 }, bytes);
    await simulation.deliver();
  };
  const follows = () => peer.received.filter(({ message }) => message.kind === "follow").length;
  const announce = async () => {
    await peer.channels.send({ kind: "have", origins: [["o", base + 1, 0]] });
    await simulation.deliver();
  };
  const before = follows();
  await send();
  expect(cache.feed("o")?.targetsDocument).toBeUndefined();
  expect(peer.received.some(({ message }) => message.kind === "unfollow")).toBe(true);
  await wait(50, announce);
  expect(follows()).toBe(before);
  await wait(15, announce);
  expect(follows()).toBe(before + 1);
  budget.give(taken);
  await send();
  expect(cache.feed("o")?.held).toBe(base + 1);
});

it("origins beyond the limit are skipped, and the link stays", async () => {
  const { cache } = node.running;
  const send = async (origin: string) => {
    const header = { origin, number: base + 1, instance: "i-o", time: 1_700_000_000_000 };
    const { bytes } = encodePublication({ kind: "targets", ...header, targets: [] });
    await peer.channels.send({ kind: "publication", origin, number: base + 1, age: 0 }, bytes);
  };
  const origins = Array.from({ length: maxOrigins + 10 }, (_, index) => `evil${index}`);
  await peer.channels.send({
    kind: "have",
    origins: origins.slice(0, maxOrigins).map((origin) => [origin, base + 1, 0]),
  });
  await simulation.deliver();
  await peer.channels.send({
    kind: "have",
    origins: origins.slice(-20).map((origin) => [origin, base + 1, 0]),
  });
  await simulation.deliver();
  for (const origin of origins) await send(origin);
  await simulation.deliver();
  expect([...cache.feeds()]).toHaveLength(maxOrigins);
  expect(simulation.failures).toContain("n skipped an item: limit");
  expect(peer.error).toBeUndefined();
});
