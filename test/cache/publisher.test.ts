import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { decodePublication } from "../../src/archive/publication-json.js";
import { Cache } from "../../src/cache/cache.js";
import { type HeldPublication, memoryOf } from "../../src/cache/held-publication.js";
import { Publisher } from "../../src/cache/publisher.js";
import type { AttemptResult } from "../../src/cache/publisher-options.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import type { Clock } from "../../src/model/clock.js";
import {
  type Batch,
  type SwarmDocument,
  succeeded,
  type TargetsDocument,
} from "../../src/model/publication.js";
import type { Scrape } from "../../src/model/scrape.js";
import type { Target } from "../../src/model/target.js";
import type { TargetStatus } from "../../src/model/target-status.js";
import {
  batch,
  clockAt,
  foundTarget,
  gzipOf,
  held,
  keepingLogger,
  publishedTarget,
  success,
  targetsDocument,
  textType,
} from "../support/publications.js";

const history = 300;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface Options {
  readonly maxBytes?: number;
  readonly instance?: string;
  readonly clock?: ReturnType<typeof clockAt>;
}

function setUp({ maxBytes = 100_000_000, instance = "i1", clock = clockAt() }: Options = {}) {
  const logger = keepingLogger();
  const budget = new MemoryBudget(maxBytes);
  const cache = cacheFor(clock, budget);
  budget.addEvictor((bytesNeeded, origin) => cache.evict(bytesNeeded, origin));
  const completed: HeldPublication[] = [];
  cache.addListener({ onComplete: (one) => void completed.push(one) });
  let origin = "node1";
  const publisher = new Publisher({
    ...{ cache, clock, budget, logger, instance, history },
    origin: () => origin,
    travels: ({ scope }) => scope === "replicated",
  });
  const attempt = (id: string, outcome: string | AttemptResult["outcome"], fields: Partial<Target> = {}) => {
    const result = typeof outcome === "string" ? scraped(outcome) : outcome;
    const status = statusOf({ id, ...fields }, "reason" in result ? "down" : "up");
    publisher.attempted(status, { begun: clock.monotonic(), duration: 0.01, outcome: result });
  };
  /** Lets time pass for the clocks and for timers. */
  const wait = (milliseconds: number) => {
    for (let passed = 0; passed < milliseconds; passed++) {
      clock.advance(1);
      vi.advanceTimersByTime(1);
    }
  };
  const feed = () => cache.feed("node1")!;
  const batches = () => completed.map(({ publication }) => publication).filter(isBatch);
  const rename = (name: string) => {
    origin = name;
  };
  return { clock, logger, budget, cache, publisher, completed, attempt, wait, feed, batches, rename };
}

function cacheFor(clock: Clock, budget: MemoryBudget): Cache {
  return new Cache({ clock, logger: keepingLogger(), budget, staleAfter: 30, history });
}

function isBatch(publication: { readonly kind: string }): publication is Batch {
  return publication.kind === "batch";
}

function scraped(text: string): AttemptResult["outcome"] {
  return { gzip: gzipOf(text), contentType: textType, size: text.length, samples: 1 };
}

function statusOf(fields: Partial<Target> = {}, state: TargetStatus["state"] = "up"): TargetStatus {
  return { target: foundTarget(fields), state, failures: 0, url: "http://10.0.0.1:8080/metrics" };
}

/** What a reader holds that got everything through encoding and decoding, later and with another clock. */
async function readerOf(
  publications: readonly HeldPublication[],
  source: Cache,
  now: number,
): Promise<Cache> {
  const clock = clockAt(Date.UTC(2030, 0, 1));
  const budget = new MemoryBudget(100_000_000);
  const cache = cacheFor(clock, budget);
  for (const { bytes, at } of publications) {
    const decoded = await decodePublication(bytes);
    const age = now - at;
    const { origin } = decoded.publication;
    for (const number of cache.add({ ...decoded, bytes, at: clock.monotonic() - age })) {
      const gzip = source.feed(origin)?.scrapes.gzipOf(number);
      if (gzip !== undefined && budget.take(gzip.length)) cache.addScrape(origin, number, gzip);
    }
  }
  return cache;
}

const timesOf = (scrapes: readonly Scrape[]) =>
  scrapes
    .map(({ id, number, scrapedAt }) => ({ id, number, scrapedAt }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));

describe("Publisher", () => {
  it("serves a scrape at once, before it is published", () => {
    const { cache, attempt, completed } = setUp();
    attempt("docker:1", "x 1\n");
    expect(completed).toEqual([]);
    expect(cache.named("web")).toMatchObject([{ origin: "node1", samples: 1 }]);
    expect(cache.wasScraped(cache.named("web")[0]!)).toBe(true);
  });

  it("publishes the first change at once, further ones at most twice a second", () => {
    const { publisher, attempt, wait, batches } = setUp();
    publisher.listed("docker", [statusOf({ id: "docker:1" })]);
    attempt("docker:1", "x 1\n");
    wait(1);
    expect(batches()).toHaveLength(1);
    for (let index = 0; index < 200; index++) {
      attempt("docker:1", `x ${index + 2}\n`);
      wait(10);
    }
    // 2 s
    expect(batches().length).toBeGreaterThanOrEqual(4);
    expect(batches().length).toBeLessThanOrEqual(5);
    wait(500);
    expect(batches().reduce((sum, { attempts }) => sum + attempts.length, 0)).toBe(201);
  });

  it("publishes failures and unchanged responses at the end of the cycle", () => {
    const { publisher, attempt, wait, batches } = setUp();
    publisher.listed("docker", [statusOf({ id: "docker:1" }), statusOf({ id: "docker:2" }, "down")]);
    attempt("docker:1", "x 1\n");
    wait(1000);
    const before = batches().length;
    attempt("docker:1", "x 1\n");
    attempt("docker:2", { reason: "timeout" });
    wait(900);
    expect(batches()).toHaveLength(before);
    publisher.endCycle();
    expect(batches()).toHaveLength(before + 1);
    expect(batches().at(-1)!.attempts).toHaveLength(2);
    wait(5000);
    expect(batches()).toHaveLength(before + 1);
  });

  it("publishes failures and unchanged responses within a second while the cycle awaits a slow target", () => {
    const { publisher, attempt, wait, batches } = setUp();
    publisher.listed("docker", [statusOf({ id: "docker:1" }), statusOf({ id: "docker:2" }, "down")]);
    attempt("docker:1", "x 1\n");
    wait(5000);
    const before = batches().length;
    attempt("docker:1", "x 1\n");
    attempt("docker:2", { reason: "timeout" });
    wait(1000);
    expect(batches()).toHaveLength(before + 1);
    expect(batches().at(-1)!.attempts).toMatchObject([{ ago: 1000 }, { ago: 1000 }]);
  });

  it("publishes a change at once although an attempt without changes was not urgent", () => {
    const { publisher, attempt, wait, batches } = setUp();
    publisher.listed("docker", [statusOf({ id: "docker:1" })]);
    attempt("docker:1", "x 1\n");
    wait(5000);
    const before = batches().length;
    attempt("docker:1", "x 1\n");
    attempt("docker:1", "x 2\n");
    wait(1);
    expect(batches()).toHaveLength(before + 1);
    expect(batches().at(-1)!.attempts).toHaveLength(2);
  });

  it("publishes an empty batch at the end of a cycle without attempts", () => {
    const { publisher, batches } = setUp();
    publisher.endCycle();
    publisher.endCycle();
    expect(batches().map(({ attempts }) => attempts)).toEqual([[], []]);
  });

  it("names the earlier scrape for unchanged bytes", () => {
    const { publisher, attempt, batches, cache, wait } = setUp();
    attempt("docker:1", "x 1\n");
    publisher.endCycle();
    wait(1000);
    attempt("docker:1", "x 1\n");
    publisher.endCycle();
    wait(1000);
    attempt("docker:1", "x 2\n");
    publisher.endCycle();
    const numbers = batches().flatMap(({ attempts }) =>
      attempts.filter(succeeded).map(({ outcome }) => outcome.number),
    );
    expect(numbers).toHaveLength(3);
    expect(numbers[1]).toBe(numbers[0]);
    expect(numbers[2]).toBeGreaterThan(numbers[1]!);
    expect(cache.totals.gzipBytes).toBe(gzipOf("x 1\n").length + gzipOf("x 2\n").length);
  });

  it("does not take a response with another Content-Type as unchanged", () => {
    const { attempt, publisher, batches } = setUp();
    attempt("docker:1", "x 1\n");
    attempt("docker:1", { ...scraped("x 1\n"), contentType: "text/plain" } as AttemptResult["outcome"]);
    publisher.endCycle();
    const numbers = batches()[0]!
      .attempts.filter(succeeded)
      .map(({ outcome }) => outcome.number);
    expect(new Set(numbers).size).toBe(2);
  });

  it("uses numbers that rise, in microseconds, although the clock is set back", () => {
    const { publisher, clock, attempt, completed, feed } = setUp();
    attempt("docker:1", "x 1\n");
    publisher.endCycle();
    const first = feed().highest;
    expect(first).toBeGreaterThanOrEqual(clock.now() * 1000);
    expect(first).toBeLessThan(clock.now() * 1000 + 1000);
    clock.setBack(86_400_000);
    attempt("docker:1", "x 2\n");
    publisher.endCycle();
    publisher.endCycle();
    const numbers = completed.map(({ publication }) => publication.number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(feed().highest).toBeGreaterThan(first);
  });

  it("continues above the numbers of an earlier process", () => {
    const { publisher, clock, cache, attempt, batches } = setUp();
    const known = clock.now() * 1000 + 5_000_000_000;
    cache.add(held(targetsDocument(known, [publishedTarget()], { instance: "i0" }), clock.monotonic()));
    expect(publisher.highest).toBe(known);
    attempt("docker:1", "x 1\n");
    publisher.endCycle();
    const [published] = batches();
    expect(published!.number).toBeGreaterThan(known);
    expect(published!.attempts.filter(succeeded)[0]!.outcome.number).toBeGreaterThan(known);
  });

  it("publishes scrapes that stay on this node in local batches", () => {
    const { publisher, attempt, batches, feed, cache } = setUp();
    attempt("docker:1", "x 1\n");
    attempt("docker:2", "y 1\n", { scope: "local", replica: "2" });
    attempt("docker:3", { reason: "timeout" }, { scope: "global", replica: "3" });
    publisher.endCycle();
    expect(batches().map(({ local, attempts }) => [local, attempts.length])).toEqual([
      [undefined, 1],
      [true, 2],
    ]);
    expect(
      feed()
        .publicationsAbove(0)
        .filter(({ publication }) => publication.kind === "batch"),
    ).toHaveLength(1);
    expect(cache.fresh()).toHaveLength(2);
  });

  it("cuts reasons to one line of 1,000 characters", () => {
    const { publisher, attempt, batches } = setUp();
    attempt("docker:1", { reason: `a\nb\ud800${"x".repeat(2000)}` });
    publisher.endCycle();
    const [{ outcome }] = batches()[0]!.attempts as [Batch["attempts"][number]];
    expect(outcome).toEqual({ reason: `a\\u000ab\\ud800${"x".repeat(985)}…` });
  });

  it("publishes targets once a list is complete, and again when they change", () => {
    const { publisher, attempt, completed, wait } = setUp();
    const documents = () =>
      completed
        .map(({ publication }) => publication)
        .filter((one): one is TargetsDocument => one.kind === "targets");
    attempt("docker:1", "x 1\n");
    wait(1000);
    expect(documents()).toEqual([]);
    publisher.listed("docker", [statusOf({ id: "docker:1" }), statusOf({ id: "docker:2" }, "pending")]);
    publisher.endCycle();
    publisher.endCycle();
    expect(documents().map(({ targets }) => targets.length)).toEqual([2]);
    publisher.listed("docker", [statusOf({ id: "docker:1" })]);
    wait(500);
    expect(
      documents()
        .at(-1)!
        .targets.map(({ id, state }) => [id, state]),
    ).toEqual([
      ["docker:1", "up"],
      ["docker:2", "gone"],
    ]);
  });

  it("lists an ended target for HISTORY, and does not serve it", () => {
    const { publisher, attempt, clock, cache, feed } = setUp();
    publisher.listed("docker", [statusOf({ id: "docker:1" })]);
    attempt("docker:1", "x 1\n");
    publisher.endCycle();
    publisher.ended("docker:1");
    expect(cache.named("web")).toEqual([]);
    publisher.endCycle();
    expect(feed().targets).toMatchObject([{ state: "gone" }]);
    expect([...feed().scrapes.all()]).toHaveLength(1);
    clock.advance(history * 1000 + 1);
    publisher.endCycle();
    expect(feed().targets).toEqual([]);
  });

  it("keeps the time of each scrape the same before and after publication, and on a reader", async () => {
    const { publisher, attempt, cache, clock, completed, wait } = setUp();
    publisher.listed(
      "docker",
      [1, 2, 3].map((id) => statusOf({ id: `docker:${id}`, replica: String(id) })),
    );
    for (const id of [1, 2, 3]) {
      attempt(`docker:${id}`, `x ${id}\n`, { replica: String(id) });
      clock.advance(137);
    }
    const before = timesOf(cache.all());
    // The clock is corrected between the attempts and their publication.
    clock.setBack(10_000);
    wait(700);
    publisher.endCycle();
    expect(timesOf(cache.all())).toEqual(before);
    const reader = await readerOf(completed, cache, clock.monotonic());
    expect(timesOf(reader.all())).toEqual(before);
  });

  it("publishes only what a reader accepts, for any attempt", async () => {
    const { publisher, attempt, cache, clock, completed } = setUp();
    publisher.listed("docker", [statusOf({ id: "docker:1" }), statusOf({ id: "docker:2", replica: "2" })]);
    attempt("docker:1", "x 1\n");
    attempt("docker:2", { reason: "\u0000\ud800" }, { replica: "2" });
    publisher.endCycle();
    const reader = await readerOf(completed, cache, clock.monotonic());
    expect(reader.feed("node1")!.held).toBe(completed.at(-1)!.publication.number);
    expect([...reader.targets()].map(({ target }) => target.state)).toEqual(["up", "down"]);
  });

  it("leaves a target that exceeds the schema out of what it publishes, but serves it here", async () => {
    const { publisher, attempt, cache, clock, completed, logger, feed } = setUp();
    const huge = { id: "docker:2", replica: "2", labels: { a: "x".repeat(70_000) } };
    publisher.listed("docker", [statusOf({ id: "docker:1" }), statusOf(huge)]);
    for (const text of ["1", "2", "3"]) {
      attempt("docker:1", `x ${text}\n`);
      attempt("docker:2", `y ${text}\n`, huge);
      publisher.endCycle();
    }
    expect(cache.named("web").map(({ id }) => id)).toEqual(["docker:1", "docker:2"]);
    expect(logger.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
    const sent = completed.filter(({ publication }) =>
      feed()
        .publicationsAbove(0)
        .some((one) => one.publication === publication),
    );
    const reader = await readerOf(sent, cache, clock.monotonic());
    expect(reader.named("web").map(({ id }) => id)).toEqual(["docker:1"]);
  });

  it("leaves a service that exceeds the schema out of the swarm document", async () => {
    const { publisher, completed, logger } = setUp();
    const services = [
      { id: "s1", name: "web", labels: {} },
      { id: "s2", name: "huge", labels: { "metrics.name": "x".repeat(70_000) } },
    ];
    publisher.swarm({ services, tasks: [{ id: "t1", node: "n1", addresses: ["10.0.0.1"] }] });
    publisher.swarm({ services, tasks: [] });
    for (const { bytes } of completed) {
      const { publication } = await decodePublication(bytes);
      expect((publication as SwarmDocument).services.map(({ name }) => name)).toEqual(["web"]);
    }
    expect(completed).toHaveLength(2);
    expect(logger.lines).toHaveLength(1);
  });

  it("publishes the swarm document when it changes", () => {
    const { publisher, completed, cache } = setUp();
    const services = [{ id: "s1", name: "web", labels: {} }];
    publisher.swarm({ services, tasks: [] });
    publisher.swarm({ services, tasks: [] });
    expect(completed).toHaveLength(1);
    expect(cache.swarm).toMatchObject({ services, origin: "node1" });
  });

  it("serves restored targets until their provider lists", () => {
    const { publisher, cache, budget, clock, attempt } = setUp();
    const targets = [
      publishedTarget({ id: "docker:1" }),
      publishedTarget({ id: "file:1", names: ["file"], replica: "2" }),
    ];
    cache.add(held(targetsDocument(1, targets, { instance: "i0" }), clock.monotonic()));
    cache.add(
      held(batch(2, [success("docker:1", 7), success("file:1", 8)], { instance: "i0" }), clock.monotonic()),
    );
    for (const number of [7, 8]) {
      const gzip = gzipOf(`x ${number}\n`);
      budget.take(gzip.length);
      cache.addScrape("node1", number, gzip);
    }
    expect(publisher.lastScrape("docker:1")?.number).toBe(7);
    publisher.endCycle();
    expect(cache.fresh().map(({ id }) => id)).toEqual(["docker:1", "file:1"]);
    publisher.listed("docker", [statusOf({ id: "docker:3", replica: "3" })]);
    attempt("docker:3", "x 3\n", { id: "docker:3", replica: "3" });
    publisher.endCycle();
    expect(cache.fresh().map(({ id }) => id)).toEqual(["file:1", "docker:3"]);
    publisher.listed("file", []);
    publisher.endCycle();
    expect(cache.fresh().map(({ id }) => id)).toEqual(["docker:3"]);
  });

  it("names the scrape of an earlier process when the bytes have not changed", () => {
    const { publisher, cache, budget, clock, attempt, batches } = setUp();
    const gzip = gzipOf("x 1\n");
    cache.add(held(targetsDocument(1, [publishedTarget()], { instance: "i0" }), clock.monotonic()));
    cache.add(held(batch(2, [success("docker:1", 7)], { instance: "i0" }), clock.monotonic()));
    budget.take(gzip.length);
    cache.addScrape("node1", 7, gzip);
    publisher.listed("docker", [statusOf()]);
    attempt("docker:1", "x 1\n");
    publisher.endCycle();
    expect(batches().at(-1)!.attempts[0]!.outcome).toMatchObject({ number: 7 });
    expect(cache.wasScraped(cache.named("web")[0]!)).toBe(true);
  });

  it("publishes everything again above a number that peers know", async () => {
    const { publisher, attempt, cache, clock, completed, feed, budget, wait } = setUp();
    publisher.listed("docker", [
      statusOf({ id: "docker:1" }),
      statusOf({ id: "docker:2", replica: "2", scope: "local" }),
    ]);
    attempt("docker:1", "x 1\n");
    attempt("docker:2", "y 1\n", { replica: "2", scope: "local" });
    publisher.swarm({ services: [], tasks: [] });
    publisher.endCycle();
    wait(100);
    attempt("docker:1", "x 2\n");
    const before = timesOf(cache.all()).map(({ id, scrapedAt }) => ({ id, scrapedAt }));
    const known = publisher.highest + 1e12;
    completed.length = 0;
    publisher.raise(known);
    expect(completed.map(({ publication }) => publication.kind).sort()).toEqual([
      "batch",
      "batch",
      "swarm",
      "targets",
    ]);
    for (const { publication } of completed) {
      expect(publication.number).toBeGreaterThan(known);
      if (!isBatch(publication)) continue;
      for (const one of publication.attempts.filter(succeeded))
        expect(one.outcome.number).toBeGreaterThan(known);
    }
    expect(timesOf(cache.all()).map(({ id, scrapedAt }) => ({ id, scrapedAt }))).toEqual(before);
    expect(feed().scrapes.numbers).toHaveLength(3);
    const bytes = feed()
      .publications()
      .reduce((sum, held) => sum + memoryOf(held), 0);
    expect(budget.used).toBe(bytes + feed().scrapes.bytes);
    const sent = feed().publicationsAbove(known);
    const reader = await readerOf(sent, cache, clock.monotonic());
    expect(timesOf(reader.all())).toEqual(timesOf(cache.all().filter(({ scope }) => scope === "replicated")));
    publisher.raise(known);
    expect(completed).toHaveLength(4);
  });

  it("sends nothing to other nodes while it is suspended", () => {
    const { publisher, attempt, feed, cache, batches } = setUp();
    publisher.suspended = true;
    publisher.listed("docker", [statusOf()]);
    attempt("docker:1", "x 1\n");
    publisher.swarm({ services: [], tasks: [] });
    publisher.endCycle();
    expect(feed().publicationsAbove(0)).toEqual([]);
    expect(batches()).toMatchObject([{ local: true }]);
    expect(cache.named("web")).toHaveLength(1);
    publisher.suspended = false;
    attempt("docker:1", "x 1\n");
    publisher.endCycle();
    expect(
      feed()
        .publicationsAbove(0)
        .map(({ publication }) => publication.kind),
    ).toEqual(["targets", "batch"]);
  });

  it("records a failure if a response does not fit into memory", () => {
    const { publisher, attempt, batches, feed } = setUp({ maxBytes: 5000 });
    const gzip = Buffer.alloc(6000);
    attempt("docker:1", { gzip, contentType: textType, size: 6000, samples: 1 });
    publisher.endCycle();
    expect(batches()[0]!.attempts[0]!.outcome).toEqual({
      reason: "response not kept: memory budget exceeded",
    });
    expect(feed().held).toBe(feed().highest);
  });

  it("completes a batch whose scrape was evicted before its publication", () => {
    const { publisher, attempt, budget, cache, batches, feed } = setUp({ maxBytes: 5000 });
    attempt("docker:1", "x 1\n");
    budget.give(cache.evict(1));
    publisher.endCycle();
    publisher.endCycle();
    expect(batches()).toHaveLength(2);
    expect(feed().held).toBe(feed().highest);
  });

  it("publishes the targets in a later cycle if they do not fit into memory", () => {
    const { publisher, budget, feed } = setUp({ maxBytes: 5000 });
    publisher.listed("docker", [statusOf()]);
    budget.take(4990);
    publisher.endCycle();
    expect(feed().targetsDocument).toBeUndefined();
    budget.give(4990);
    publisher.endCycle();
    expect(feed().targets).toHaveLength(1);
  });

  it("returns all memory of its publications", () => {
    const { publisher, attempt, clock, budget, cache, feed } = setUp();
    for (let cycle = 0; cycle < 20; cycle++) {
      attempt("docker:1", `x ${cycle}\n`);
      attempt("docker:2", "unchanged 1\n", { replica: "2" });
      publisher.endCycle();
      clock.advance(60_000);
      cache.expire();
      const bytes = feed()
        .publications()
        .reduce((sum, held) => sum + memoryOf(held), 0);
      expect(budget.used).toBe(bytes + feed().scrapes.bytes);
    }
    clock.advance(history * 1000 + 1);
    cache.expire();
    expect(feed().scrapes.bytes).toBe(0);
    expect(budget.used).toBe(0);
  });

  it("publishes under the new name once the name of this node changes", () => {
    const { publisher, attempt, cache, batches, rename, clock } = setUp();
    publisher.listed("docker", [statusOf()]);
    attempt("docker:1", "x 1\n");
    publisher.endCycle();
    rename("node2");
    attempt("docker:1", "x 1\n");
    publisher.endCycle();
    expect(batches().map(({ origin }) => origin)).toEqual(["node1", "node2"]);
    expect(cache.own).toBe("node2");
    expect(cache.feed("node2")!.targets).toHaveLength(1);
    clock.advance(2 * history * 1000 + 1);
    cache.expire();
    expect(cache.feed("node1")).toBeUndefined();
  });

  it("publishes what is pending when it stops", () => {
    const { publisher, attempt, batches, wait } = setUp();
    attempt("docker:1", "x 1\n");
    publisher.stop();
    expect(batches()).toHaveLength(1);
    wait(2000);
    expect(batches()).toHaveLength(1);
  });
});
