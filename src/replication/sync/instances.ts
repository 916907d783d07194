import type { SyncContext } from "./context.js";

/** The part of a link that is needed here. */
interface Introduced {
  readonly peer: { readonly origin: string; readonly instance: string } | undefined;
}

const shortLength = 8;

/** The short id of a process: enough to distinguish processes that share a name, and to order them. */
export function shortInstance(instance: string): string {
  return instance.slice(0, shortLength);
}

/**
 * The processes that recently used each name, as seen on links and in `have` messages. Nodes forward names with several
 * processes, so that two nodes with the same name detect each other even without a direct link. After a restart, this
 * includes the earlier process of a node for a while.
 */
export class Instances {
  readonly #context: SyncContext;
  readonly #open: ReadonlySet<Introduced>;
  /** When each process was last seen, on the monotonic clock, by name and short id. */
  readonly #seen = new Map<string, Map<string, number>>();

  /** @param open the links whose peer is known. */
  constructor(context: SyncContext, open: ReadonlySet<Introduced>) {
    this.#context = context;
    this.#open = open;
  }

  /** @param at when the process was seen, on the monotonic clock. */
  note(origin: string, instance: string | undefined, at: number): void {
    if (instance === undefined || at < this.#oldest) return;
    const seen = this.#seen.get(origin) ?? new Map<string, number>();
    this.#seen.set(origin, seen);
    const short = shortInstance(instance);
    seen.set(short, Math.max(at, seen.get(short) ?? at));
  }

  /** The names with several processes: name, short id, and milliseconds since the process was seen. */
  shared(): [string, string, number][] {
    const now = this.#context.clock.monotonic();
    this.#update(now);
    return [...this.#seen].flatMap(([origin, seen]) =>
      seen.size < 2
        ? []
        : [...seen].map(([short, at]): [string, string, number] => [origin, short, now - at]),
    );
  }

  #update(now: number): void {
    const { cache, origin: own, instance } = this.#context;
    for (const feed of cache.feeds())
      if (feed.origin !== own) this.note(feed.origin, feed.instance, feed.newestAt);
    for (const { peer } of this.#open) if (peer !== undefined) this.note(peer.origin, peer.instance, now);
    this.note(own, instance, now);
    for (const [origin, seen] of this.#seen) {
      for (const [short, at] of seen) if (at < this.#oldest) seen.delete(short);
      if (seen.size === 0) this.#seen.delete(origin);
    }
  }

  get #oldest(): number {
    const { clock, interval } = this.#context;
    return clock.monotonic() - 2 * Math.max(interval, 15) * 1000;
  }
}
