import { gzipSync } from "node:zlib";
import { encodePublication } from "../../src/archive/publication-json.js";
import { targetKeyOf } from "../../src/archive/target-key.js";
import type { Cache } from "../../src/cache/cache.js";
import type { Publisher } from "../../src/cache/publisher.js";
import type { MemoryBudget } from "../../src/memory-budget.js";
import type { Clock } from "../../src/model/clock.js";
import { nextNumber } from "../../src/model/number.js";
import type { Attempt, Publication, PublishedTarget } from "../../src/model/publication.js";
import type { Scrape } from "../../src/model/scrape.js";
import type { TargetStatus } from "../../src/model/target-status.js";
import { targetAt } from "./target-server.js";

/** What a test states of a scrape; everything else has a default. @param text what is compressed. */
export type ScrapeFields = Partial<Scrape> & { readonly text?: string };

/** A scrape that was made just now, by the given clock. */
export function scrapeFor(clock: Clock, fields: ScrapeFields = {}): Scrape {
  const { text = "up 1\n", ...rest } = fields;
  return {
    id: "docker:1",
    names: ["web", "shop_web"],
    job: "shop_web",
    replica: "1",
    scope: "replicated",
    stack: "shop",
    origin: "node1",
    number: 1,
    gzip: gzipSync(text),
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    size: Buffer.byteLength(text),
    samples: 1,
    url: "http://10.0.0.1:8080/metrics",
    scrapedAt: clock.now(),
    duration: 0.01,
    startedAt: 0,
    measuredAt: clock.monotonic(),
    ...rest,
  };
}

/** Publishes a scrape of this node. The publisher sets its number and origin. */
export function publishScrape(publisher: Publisher, scrape: Scrape): Scrape {
  const { id, names, job, replica, scope, stack, url, startedAt, measuredAt, duration } = scrape;
  const target = {
    ...targetAt(url, { id, title: id, names, job, replica, scope, startedAt }),
    ...(stack === undefined ? {} : { stack }),
  };
  const status: TargetStatus = { target, state: "up", failures: 0, url };
  publisher.attempted(status, { begun: measuredAt, duration, outcome: scrape });
  return publisher.lastScrape(id)!;
}

/** Writes the feed of an origin into a cache: another node, or an earlier process of this one. */
export class FeedWriter {
  readonly #cache: Cache;
  readonly #clock: Clock;
  readonly #budget: MemoryBudget;
  readonly #targets = new Map<string, PublishedTarget>();
  #lastNumber = 0;
  /** ADVERTISE_ADDRESS of the origin, published with its targets. */
  advertise: string | undefined;

  constructor(
    readonly origin: string,
    { cache, clock, budget }: { readonly cache: Cache; readonly clock: Clock; readonly budget: MemoryBudget },
  ) {
    this.#cache = cache;
    this.#clock = clock;
    this.#budget = budget;
  }

  /** Publishes a scrape, and its target unless that is listed. */
  put(fields: ScrapeFields = {}): Scrape {
    const scrape = scrapeFor(this.#clock, { ...fields, origin: this.origin });
    const { id, names, job, replica, scope, stack, url, startedAt } = scrape;
    const { scrapedAt, measuredAt, duration, contentType, size, samples, gzip } = scrape;
    const identity = { names, job, replica, scope, ...(stack === undefined ? {} : { stack }) };
    const known = this.#targets.get(id);
    const target = { state: "up" as const, ...known, id, ...identity, url, startedAt };
    if (JSON.stringify(target) !== JSON.stringify(known)) this.list(target);
    const number = this.#nextNumber();
    const ago = this.#clock.monotonic() - measuredAt;
    const outcome = { number, contentType, size, samples };
    this.publish([{ target: targetKeyOf(id), ago, duration, outcome }], { time: scrapedAt + ago });
    this.deliver(number, gzip);
    return this.#cache.feed(this.origin)?.scrapes.newestOf(id) ?? scrape;
  }

  /** Delivers the bytes of a published scrape. */
  deliver(number: number, gzip: Buffer): void {
    if (this.#budget.take(gzip.length)) this.#cache.addScrape(this.origin, number, gzip);
  }

  /** Publishes its list of targets, with these added or changed. */
  list(...targets: readonly (Partial<PublishedTarget> & { readonly id: string })[]): void {
    const names = ["web", "shop_web"];
    for (const target of targets) {
      this.#targets.set(target.id, {
        title: target.id,
        names,
        job: "shop_web",
        replica: "1",
        scope: "replicated",
        stack: "shop",
        labels: {},
        startedAt: 0,
        state: "up",
        since: this.#clock.now(),
        ...this.#targets.get(target.id),
        ...target,
      });
    }
    const { advertise } = this;
    this.#add({
      kind: "targets",
      ...this.#header(),
      ...(advertise === undefined ? {} : { advertise }),
      targets: [...this.#targets.values()],
    });
  }

  /** Publishes its list of targets without this one. */
  unlist(id: string): void {
    this.#targets.delete(id);
    this.list();
  }

  /** Publishes a batch of attempts; without any it shows only that the origin is alive. */
  publish(attempts: readonly Attempt[] = [], { time = this.#clock.now() } = {}): void {
    this.#add({ kind: "batch", ...this.#header(), time, attempts });
  }

  #header() {
    return {
      origin: this.origin,
      number: this.#nextNumber(),
      instance: `instance of ${this.origin}`,
      time: this.#clock.now(),
    };
  }

  #nextNumber(): number {
    this.#lastNumber = nextNumber(this.#lastNumber, this.#clock.now());
    return this.#lastNumber;
  }

  #add(publication: Publication): void {
    this.#cache.add({ publication, ...encodePublication(publication), at: this.#clock.monotonic() });
  }
}
