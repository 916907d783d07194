import { numberLimit } from "../../model/number.js";
import type { Publication } from "../../model/publication.js";
import type { SyncContext } from "./context.js";
import { shortInstance } from "./instances.js";

/** Numbers above this are ignored, so that a peer cannot use up this node's numbers: 50 years remain. */
const maxKnown = numberLimit - 50 * 365 * 86_400 * 1e6;
/** How many times another process must be seen, each time more recently, before the name counts as shared. */
const minSightings = 3;
/** Milliseconds between two such times, and after the start of this process: delays make earlier ones look recent. */
const sightingMs = 1000;
const startMs = 10_000;

/**
 * Handles publications that peers have under this node's own name, published by an earlier process, or by another node
 * with the same name. In the second case peers keep seeing its process, and the lower instance id stops publishing.
 */
export class OwnName {
  readonly #context: SyncContext;
  readonly #startedAt: number;
  /** The number up to which this node has what earlier processes published. */
  #adopted: number;
  /** Other processes with this name, by short id: when they were last seen, and how many times. */
  readonly #others = new Map<string, { at: number; sightings: number }>();
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

  /**
   * A peer has a number under this node's name. If another process published it, peers that have it ignore lower
   * numbers of this process.
   *
   * @param by instance id of the process that published it, in full or short, if known.
   */
  noticed(number: number, by?: string): void {
    const { publisher, instance } = this.#context;
    if (this.#yielding || number > maxKnown) return;
    const isForeign = by !== undefined && shortInstance(by) !== shortInstance(instance);
    if (number > publisher.highest) publisher.raise(number);
    else if (isForeign && number >= publisher.first) this.#republish();
  }

  /** Checks the names with several processes that a peer sent; see `instances.ts`. */
  check(shared: readonly (readonly [string, string, number])[], now: number): void {
    const { origin: own, instance } = this.#context;
    for (const [origin, other, age] of shared) {
      const at = now - age;
      if (origin !== own || other === shortInstance(instance) || at < this.#startedAt + startMs) continue;
      const known = this.#others.get(other) ?? { at: 0, sightings: 0 };
      if (at < known.at + sightingMs) continue;
      this.#others.set(other, { at, sightings: known.sightings + 1 });
      if (known.sightings + 1 >= minSightings) this.shared(other);
    }
  }

  /**
   * Whether to keep a publication under this node's name that a peer sent.
   *
   * @param at when it was published, on the monotonic clock.
   */
  accept(publication: Publication, at: number): boolean {
    const { number, instance, kind } = publication;
    if (number > maxKnown) return false;
    this.noticed(number, instance);
    this.#adopted = Math.max(this.#adopted, number);
    if (instance === this.#context.instance) return false;
    if (kind === "targets" && this.isShared && !this.#yielding) this.#republish();
    return at <= this.#startedAt;
  }

  /** Another node has this node's name. @param other its instance id, in full or short. */
  shared(other: string): void {
    const { clock, instance, interval, logger, origin, publisher } = this.#context;
    this.#sharedUntil = clock.monotonic() + 2 * Math.max(interval, 5) * 1000;
    if (shortInstance(instance) < shortInstance(other)) {
      this.#yielding = true;
      publisher.suspended = true;
    }
    if (this.#reported) return;
    this.#reported = true;
    if (!this.#yielding) this.#republish();
    logger.error("two nodes have the same name: give each node its own hostname", { name: origin });
  }

  /** Ends the conflict once the other node is silent. */
  tick(): void {
    if (this.isShared) return;
    if (this.#reported) this.#others.clear();
    this.#reported = false;
    if (!this.#yielding) return;
    this.#yielding = false;
    this.#context.publisher.suspended = false;
    this.#republish();
  }

  /** Publishes everything under new numbers: both nodes may have used the same ones. */
  #republish(): void {
    const { publisher } = this.#context;
    publisher.raise(publisher.highest + 1);
  }
}
