import type { ServerResponse } from "node:http";
import type { MemoryBudget } from "../../memory-budget.js";

/** A client that has been reading for longer than these milliseconds is disconnected if its memory is needed. */
const graceMs = 2000;

interface HeldBody {
  /** Whether it is kept for further requests. */
  kept: boolean;
  /** The responses that send it, and when they began. */
  readonly readers: Map<ServerResponse, number>;
}

/**
 * Counts the bodies of responses in a memory budget: each once, while it is kept for further requests or sent to
 * clients. If memory is needed, slow clients are disconnected.
 */
export class HeldBodies {
  readonly #bodies = new Map<Buffer, HeldBody>();

  /** Registers itself as an evictor of `memory`. */
  constructor(private readonly memory: MemoryBudget) {
    memory.addEvictor((bytesNeeded) => this.#closeSlow(bytesNeeded));
  }

  /** Keeps a body for further requests. @returns false if it does not fit. */
  keep(body: Buffer): boolean {
    const held = this.#hold(body);
    if (held !== undefined) held.kept = true;
    return held !== undefined;
  }

  /** Stops keeping a body. @returns the bytes that this frees, which the caller gives back to the budget. */
  drop(body: Buffer): number {
    const held = this.#bodies.get(body);
    if (held === undefined) return 0;
    held.kept = false;
    return this.#removeUnused(body, held);
  }

  /** Whether a client is reading the body, so that dropping it would free nothing. */
  isRead(body: Buffer): boolean {
    return (this.#bodies.get(body)?.readers.size ?? 0) > 0;
  }

  /** Holds a body until the response is closed. @returns false if it does not fit. */
  holdFor(response: ServerResponse, body: Buffer): boolean {
    const held = this.#hold(body);
    if (held === undefined) return false;
    held.readers.set(response, performance.now());
    response.once("close", () => {
      if (held.readers.delete(response)) this.memory.give(this.#removeUnused(body, held));
    });
    return true;
  }

  #hold(body: Buffer): HeldBody | undefined {
    const known = this.#bodies.get(body);
    if (known !== undefined) return known;
    if (!this.memory.take(body.length)) return undefined;
    const held = { kept: false, readers: new Map() };
    this.#bodies.set(body, held);
    return held;
  }

  #removeUnused(body: Buffer, { kept, readers }: HeldBody): number {
    if (kept || readers.size > 0) return 0;
    this.#bodies.delete(body);
    return body.length;
  }

  /** Disconnects the clients that are slow, for the bodies that have been held for longest. */
  #closeSlow(bytesNeeded: number): number {
    const begunBefore = performance.now() - graceMs;
    let freed = 0;
    for (const [body, held] of this.#bodies) {
      if (freed >= bytesNeeded) break;
      const slow = [...held.readers].filter(([, begun]) => begun < begunBefore);
      // Disconnecting some of its clients would free nothing.
      if (slow.length === 0 || slow.length < held.readers.size) continue;
      for (const [response] of slow) {
        held.readers.delete(response);
        response.destroy();
      }
      freed += this.#removeUnused(body, held);
    }
    return freed;
  }
}
