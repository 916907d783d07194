import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Holdings } from "../cache/holdings.js";
import type { Clock } from "../model/clock.js";

/** Milliseconds that an exchange which the other side began counts for. */
const countsFor = 2000;
/** Milliseconds to let the other side begin. */
const courtesy = 50;
/** Instances that are remembered: every restart of a node is a new one. */
const most = 2000;
/** Milliseconds after which an instance that began no exchange is forgotten. */
const remembered = 2 * 3_600_000;

/**
 * Which instances have lately begun an exchange with this one, and what this one knew then. Where two talk to each
 * other in the same moment one of both exchanges is enough.
 */
export class Answered {
  readonly #clock: Clock;
  readonly #holdings: Holdings;
  readonly #instance: string;
  readonly #last = new Map<string, { readonly at: number; readonly known: string }>();

  constructor(clock: Clock, holdings: Holdings, instance: string) {
    this.#clock = clock;
    this.#holdings = holdings;
    this.#instance = instance;
  }

  /** An instance has been told all that this one knows. */
  note(instance: string): void {
    const at = this.#clock.monotonic();
    for (const [other, last] of this.#last) if (at - last.at > remembered) this.#last.delete(other);
    this.#last.delete(instance);
    if (this.#last.size >= most) this.#last.delete(this.#last.keys().next().value ?? "");
    this.#last.set(instance, { at, known: this.#known() });
  }

  /**
   * Whether an exchange with an instance would say nothing new, since it has just begun one itself. Of two that both
   * begin, the one whose name comes later waits a moment for the other.
   */
  async isEnough(instance: string): Promise<boolean> {
    if (!this.#last.has(instance)) return false;
    if (instance < this.#instance) await sleep(courtesy, undefined, { ref: false });
    const last = this.#last.get(instance);
    return (
      last !== undefined && this.#clock.monotonic() - last.at < countsFor && last.known === this.#known()
    );
  }

  #known(): string {
    const known = this.#holdings.list().map(({ origin, epoch, sequence }) => [origin, epoch, sequence]);
    return createHash("sha256").update(JSON.stringify(known)).digest("base64");
  }
}
