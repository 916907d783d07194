import { BoundedMap } from "../bounded-map.js";
import type { Clock } from "../model/clock.js";
import { type Identity, instanceKeyOf } from "../model/target.js";

/** A target whose origin was forgotten. */
export interface ExpiredTarget extends Pick<Identity, "names" | "job" | "replica"> {
  readonly origin: string;
  /** When its origin last published, on this process's monotonic clock, in milliseconds. */
  readonly lastPublished: number;
}

const rememberedMs = 3_600_000;
const maxTargets = 10_000;

/**
 * Targets of origins that no longer publish, kept for an hour: a response can then name the missing node instead of
 * reporting an unknown target. Targets that their origin removed are not kept.
 */
export class ExpiredTargets {
  readonly #clock: Clock;
  readonly #byInstance = new BoundedMap<string, ExpiredTarget & { readonly until: number }>(maxTargets);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(target: ExpiredTarget): void {
    this.#byInstance.set(instanceKeyOf(target), { ...target, until: this.#clock.monotonic() + rememberedMs });
  }

  /** Removes an instance that another origin lists, or that was removed. */
  remove(identity: Pick<Identity, "job" | "replica">): void {
    this.#byInstance.delete(instanceKeyOf(identity));
  }

  named(name: string): ExpiredTarget[] {
    const now = this.#clock.monotonic();
    return [...this.#byInstance.values()].filter(({ names, until }) => until > now && names.includes(name));
  }
}
