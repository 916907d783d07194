import type { Clock } from "../model/clock.js";
import type { CutOff } from "../model/replication-status.js";
import { TokenBucket } from "../model/token-bucket.js";
import type { FailureReason } from "./peer-error.js";

/** Milliseconds after which one is forgotten, and the most that are remembered; the oldest goes first. */
const remembered = 600_000;
const most = 20;

/** Those that began an exchange with this node and were cut off lately, one for each node and reason. */
export class CutOffs {
  readonly #clock: Clock;
  readonly #byNode = new Map<string, CutOff & { readonly until: number }>();
  /** Lines for the log: who comes under more names or addresses than are remembered is new each time. */
  readonly #lines: TokenBucket;

  constructor(clock: Clock) {
    this.#clock = clock;
    const rate = { capacity: most, perSecond: most / (remembered / 1000) };
    this.#lines = new TokenBucket(rate, clock.monotonic());
  }

  /** @returns whether it is worth a line in the log: it is new, and there were not too many new ones lately. */
  note(node: string, reason: FailureReason, error: string): boolean {
    this.#forget();
    const key = `${node} ${reason}`;
    const times = (this.#byNode.get(key)?.times ?? 0) + 1;
    this.#byNode.delete(key);
    const until = this.#clock.monotonic() + remembered;
    this.#byNode.set(key, { node, reason, error, at: this.#clock.now(), times, until });
    const [oldest] = this.#byNode.keys();
    if (this.#byNode.size > most && oldest !== undefined) this.#byNode.delete(oldest);
    return times === 1 && this.#lines.take(this.#clock.monotonic());
  }

  list(): CutOff[] {
    this.#forget();
    return [...this.#byNode.values()].map(({ until: _, ...cutOff }) => cutOff);
  }

  #forget(): void {
    const now = this.#clock.monotonic();
    for (const [key, { until }] of this.#byNode) if (until <= now) this.#byNode.delete(key);
  }
}
