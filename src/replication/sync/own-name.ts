import { numberLimit } from "../../model/number.js";
import type { Publication } from "../../model/publication.js";
import type { SyncContext } from "./context.js";

/** Numbers above this are ignored, so that a peer cannot use up this node's numbers: 50 years remain. */
const maxKnown = numberLimit - 50 * 365 * 86_400 * 1e6;
/** How many publications of another process count as a shared name, and the milliseconds between two of them. */
const minSightings = 3;
const sightingMs = 1000;
/** Milliseconds after the start in which delays make publications of an earlier process look recent. */
const startMs = 10_000;

/**
 * Handles publications that peers have under this node's own name, published by an earlier process, or by another node
 * with the same name. In the second case its numbers keep rising, and the lower instance id stops publishing.
 */
export class OwnName {
  readonly #context: SyncContext;
  readonly #startedAt: number;
  /** The number up to which this node has what earlier processes published. */
  #adopted: number;
  #sightings = 0;
  #lastSighting = Number.NEGATIVE_INFINITY;
  #sharedUntil = Number.NEGATIVE_INFINITY;
  #reported = false;
  /** Whether this node has stopped publishing, because another node publishes under the name. */
  #yielding = false;

  constructor(context: SyncContext) {
    this.#context = context;
    this.#startedAt = context.clock.monotonic();
    this.#adopted = context.cache.feed(context.origin)?.held ?? 0;
  }

  /** The number above which this node follows its own name. */
  get adopted(): number {
    return this.#adopted;
  }

  /** Whether another node has the same name. */
  get isShared(): boolean {
    return this.#context.clock.monotonic() < this.#sharedUntil;
  }

  /** A peer has a number under this node's name. Publications of this process must have higher ones. */
  noticed(number: number): void {
    const { publisher } = this.#context;
    if (!this.#yielding && number <= maxKnown && number > publisher.highest) publisher.raise(number);
  }

  /**
   * Whether to keep a publication under this node's name that a peer sent.
   *
   * @param at when it was published, on the monotonic clock.
   */
  accept({ number, instance }: Publication, at: number): boolean {
    if (number > maxKnown) return false;
    this.#adopted = Math.max(this.#adopted, number);
    if (instance === this.#context.instance) return false;
    this.noticed(number);
    // Peers that have it ignore lower numbers of this process.
    if (number >= this.#context.publisher.first) this.#republish();
    if (at > this.#startedAt + startMs && at >= this.#lastSighting + sightingMs) {
      this.#lastSighting = at;
      if (++this.#sightings >= minSightings) this.shared(instance);
    }
    return at <= this.#startedAt;
  }

  /** Another node has this node's name. @param other instance id of its process. */
  shared(other: string): void {
    const { clock, instance, interval, logger, origin, publisher } = this.#context;
    this.#sharedUntil = clock.monotonic() + 2 * Math.max(interval, 5) * 1000;
    if (instance < other) {
      this.#yielding = true;
      publisher.suspended = true;
    }
    if (this.#reported) return;
    this.#reported = true;
    this.#republish();
    logger.error("two nodes have the same name: give each node its own hostname", { name: origin });
  }

  /** Ends the conflict once the other node is silent. */
  tick(): void {
    if (this.isShared) return;
    if (this.#reported) this.#sightings = 0;
    this.#reported = false;
    if (!this.#yielding) return;
    this.#yielding = false;
    this.#context.publisher.suspended = false;
    this.#republish();
  }

  /** Publishes everything under new numbers: both nodes may have used the same ones. */
  #republish(): void {
    const { publisher } = this.#context;
    if (!this.#yielding) publisher.raise(publisher.highest + 1);
  }
}
