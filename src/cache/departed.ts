import type { Clock } from "../model/clock.js";
import type { Scrape } from "../model/scrape.js";
import { type Identity, instanceKeyOf } from "../model/target.js";

/** What is still known of an entry of another node that has become stale. */
export interface LastKnown extends Pick<Identity, "names" | "job" | "replica"> {
  readonly origin: string;
  /** The moment of its last scrape on this process's monotonic clock. */
  readonly measuredAt: number;
}

/** Milliseconds after which it is forgotten, and the most that is remembered; the oldest goes first. */
const remembered = 3_600_000;
const most = 10_000;

/**
 * Entries of other nodes that were dropped because they were stale: whoever asks for one is told since when its node
 * is silent, and not that there never was such a name. What a node has removed in time was removed on purpose.
 */
export class Departed {
  readonly #clock: Clock;
  readonly #byInstance = new Map<string, LastKnown & { readonly until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An entry was dropped because it was stale. */
  note(entry: Scrape): void {
    const { names, job, replica, origin, measuredAt } = entry;
    this.forget(entry);
    const until = this.#clock.monotonic() + remembered;
    this.#byInstance.set(instanceKeyOf(entry), { names, job, replica, origin, measuredAt, until });
    for (const [instance] of this.#byInstance) {
      if (this.#byInstance.size <= most) break;
      this.#byInstance.delete(instance);
    }
  }

  /** There is no such instance any more. */
  forget(identity: Pick<Identity, "job" | "replica">): void {
    this.#byInstance.delete(instanceKeyOf(identity));
  }

  named(name: string): LastKnown[] {
    const now = this.#clock.monotonic();
    for (const [instance, { until }] of this.#byInstance) {
      if (until > now) break;
      this.#byInstance.delete(instance);
    }
    return [...this.#byInstance.values()].filter(({ names }) => names.includes(name));
  }
}
