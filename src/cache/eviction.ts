import type { Feed } from "./feed.js";

export interface Eviction {
  /** In the order in which this node learned of them, its own first. */
  readonly feeds: readonly Feed[];
  /** Whose data needs the memory; undefined for this node. */
  readonly origin: string | undefined;
  /** Whether enough is free, beside the given number of bytes that scrapes had. */
  readonly isEnough: (evicted: number) => boolean;
  /** Removes a feed. What it had is free at once. */
  readonly forget: (feed: Feed) => void;
  /** Called for each origin that loses data. */
  readonly onEvicted: (feed: Feed) => void;
}

/**
 * Frees memory for data of an origin:
 *
 * 1. scrapes that no target is served with: the oldest of the origin that has the most bytes of them;
 * 2. everything of the origins of which this node learned later, the last one first;
 * 3. the scrapes of the origin itself, those with the oldest measurements first.
 *
 * So the scrapes that are served are never evicted for an origin of which this node learned later, however many origins
 * a peer invents, and those of this node for no other.
 *
 * @returns the bytes of the evicted scrapes, without those of forgotten feeds.
 */
export function evict({ feeds, origin, isEnough, forget, onEvicted }: Eviction): number {
  let evicted = 0;
  const evictScrapes = (feed: Feed, served: boolean) => {
    while (!isEnough(evicted)) {
      const bytes = feed.scrapes.evict(served);
      if (bytes === 0) return;
      evicted += bytes;
      onEvicted(feed);
      if (!served) return;
    }
  };
  while (!isEnough(evicted)) {
    const largest = withMostOlderBytes(feeds);
    if (largest === undefined) break;
    evictScrapes(largest, false);
  }
  const index = feeds.findIndex((feed) => feed.origin === origin);
  const isUnknown = origin !== undefined && index < 0;
  for (const feed of isUnknown ? [] : feeds.slice(index + 1).reverse()) {
    evictScrapes(feed, true);
    if (isEnough(evicted)) return evicted;
    forget(feed);
    onEvicted(feed);
  }
  if (index >= 0) evictScrapes(feeds[index]!, true);
  return evicted;
}

function withMostOlderBytes(feeds: readonly Feed[]): Feed | undefined {
  let largest: Feed | undefined;
  for (const feed of feeds) if (feed.scrapes.olderBytes > (largest?.scrapes.olderBytes ?? 0)) largest = feed;
  return largest;
}
