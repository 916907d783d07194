import { BoundedMap } from "../bounded-map.js";
import type { Clock } from "../model/clock.js";
import { type Identity, instanceKeyOf } from "../model/target.js";

/** A target whose origin was forgotten. */
export interface ExpiredTarget extends Pick<Identity, "names" | "job" | "replica"> {
  readonly origin: string;
  /** When its origin last published, on this process's monotonic clock, in milliseconds. */
  readonly lastPublished: number;
}

interface Remembered extends ExpiredTarget {
  readonly until: number;
}

const rememberedMs = 3_600_000;
const maxTargets = 10_000;

/**
 * Targets of origins that no longer publish, kept for an hour: a response can then name the missing node instead of
 * reporting an unknown target. Targets that their origin removed are not kept.
 */
export class ExpiredTargets {
  readonly #clock: Clock;
  readonly #byInstance = new BoundedMap<string, Remembered>(maxTargets);
  /** Built when it is needed; undefined after a change. */
  #byName: Map<string, Remembered[]> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(target: ExpiredTarget): void {
    this.#byInstance.set(instanceKeyOf(target), { ...target, until: this.#clock.monotonic() + rememberedMs });
    this.#byName = undefined;
  }

  /** Removes an instance that another origin lists, or that was removed. */
  remove(identity: Pick<Identity, "job" | "replica">): void {
    if (this.#byInstance.delete(instanceKeyOf(identity))) this.#byName = undefined;
  }

  named(name: string): ExpiredTarget[] {
    const now = this.#clock.monotonic();
    this.#byName ??= byName(this.#byInstance.values());
    return this.#byName.get(name)?.filter(({ until }) => until > now) ?? [];
  }
}

function byName(targets: Iterable<Remembered>): Map<string, Remembered[]> {
  const found = new Map<string, Remembered[]>();
  for (const target of targets) {
    for (const name of new Set(target.names)) {
      const others = found.get(name);
      if (others === undefined) found.set(name, [target]);
      else others.push(target);
    }
  }
  return found;
}
