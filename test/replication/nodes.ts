import { Cache } from "../../src/cache/cache.js";
import type { Scrape } from "../../src/model/scrape.js";
import { Intake } from "../../src/replication/intake.js";
import { planExchange, type Side } from "../../src/replication/planner.js";
import { sectionFor } from "../../src/replication/section.js";
import { entryFor, manualClock } from "../support/entries.js";

export type ManualClock = ReturnType<typeof manualClock>;

/** A node with a cache that publishes, and nothing else. */
export interface TestNode {
  readonly origin: string;
  readonly clock: ManualClock;
  readonly cache: Cache;
  put(id: string, text: string, fields?: Partial<Scrape>): void;
}

export function testNode(
  origin: string,
  clock = manualClock(),
  epoch = clock.now(),
  staleAfter = 30,
): TestNode {
  const cache = new Cache({ clock, staleAfter });
  cache.holdings.publish({ origin, epoch, travels: (entry) => entry.scope === "replicated" });
  return {
    origin,
    clock,
    cache,
    put: (id, text, fields = {}) => cache.put(entryFor(clock, { id, origin, text, replica: id, ...fields })),
  };
}

export function sideOf({ origin, cache }: TestNode): Side {
  return { origin, versions: new Map(cache.holdings.list().map((holding) => [holding.origin, holding])) };
}

/**
 * What `from` has newer of an origin goes to `to`, without a network.
 *
 * @param entriesUntilCut breaks off after so many entries.
 * @param meanwhile what happens after each entry.
 * @returns how many entries travelled.
 */
export function give(
  from: TestNode,
  to: TestNode,
  origin: string,
  entriesUntilCut = Infinity,
  meanwhile = () => {},
): number {
  const { epoch, sequence } = to.cache.holdings.versionOf(origin);
  const { digest } = to.cache.holdings.get(origin) ?? { digest: 0 };
  const sent = sectionFor(from.cache.holdings, origin, { epoch, sequence, digest }, from.clock.monotonic());
  if (sent === undefined) return 0;
  const section = JSON.parse(JSON.stringify(sent.section));
  const intake = new Intake(section, to.cache.holdings, to.clock.monotonic(), 1000);
  let count = 0;
  for (const entry of sent.entries) {
    if (count === entriesUntilCut) return count;
    const age = from.clock.monotonic() - entry.measuredAt;
    intake.take({ ...entry, measuredAt: to.clock.monotonic() - age });
    count++;
    meanwhile();
  }
  if (count !== entriesUntilCut) intake.finish();
  return count;
}

/** One exchange between two nodes, as the one of them sees it. */
export function exchange(a: TestNode, b: TestNode, entriesUntilCut = Infinity): number {
  const plan = planExchange(sideOf(a), sideOf(b));
  if (plan.raiseOwn !== undefined) a.cache.holdings.raiseEpoch(plan.raiseOwn.epoch + 1);
  if (plan.raiseTheirs !== undefined) b.cache.holdings.raiseEpoch(plan.raiseTheirs.epoch + 1);
  let count = 0;
  for (const origin of plan.want) count += give(b, a, origin, entriesUntilCut);
  for (const origin of plan.give) count += give(a, b, origin, entriesUntilCut);
  return count;
}

/** What a node holds of an origin, as far as it matters: by id the place in the history, the text, the times. */
export function contentOf({ cache, clock }: TestNode, origin: string): Record<string, unknown> {
  const entries = cache.all().filter((entry) => entry.origin === origin && entry.sequence > 0);
  return Object.fromEntries(
    entries
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map(({ id, epoch, sequence, gzip, scrapedAt, measuredAt }) => [
        id,
        { epoch, sequence, gzip: gzip.toString("base64"), scrapedAt, age: clock.monotonic() - measuredAt },
      ]),
  );
}
