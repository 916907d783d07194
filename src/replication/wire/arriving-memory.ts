import pLimit from "p-limit";
import type { Clock } from "../../model/clock.js";
import { PeerError } from "../peer-error.js";

/** A message or a scrape of this size needs no reservation: nearly all have. */
const smallBytes = 64 * 1024;
/** Milliseconds after which the peer must have sent what memory is reserved for, if others wait. */
const lateMs = 15_000;

interface Reservation {
  readonly bytes: number;
  readonly onLate: () => void;
  since: number;
}

/**
 * A limit of its own for data that is arriving from all peers, so that it takes no memory from the cache. What does not
 * fit waits for its turn: the peer is not read in the meantime. As much again may wait, because each channel that is not
 * read holds up to the size of its window.
 */
export class ArrivingMemory {
  readonly #maxBytes: number;
  readonly #clock: Clock;
  readonly #reserved = new Set<Reservation>();
  /** For work that takes much more memory than was reserved. */
  readonly oneAtATime = pLimit(1);
  #waiting: { readonly reservation: Reservation; readonly start: () => void }[] = [];
  #used = 0;
  #waitingBytes = 0;

  constructor(maxBytes: number, clock: Clock) {
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  /** Bytes that are reserved. */
  get used(): number {
    return this.#used;
  }

  /**
   * Reserves memory, in turn. Something larger than the limit is received alone.
   *
   * @param onLate called if it has not arrived after 15 s and others wait. Must end its link.
   * @returns releases the memory.
   * @throws PeerError `limit` if too much waits already.
   */
  async take(bytes: number, onLate: () => void): Promise<() => void> {
    if (bytes <= smallBytes) return () => undefined;
    const reservation = { bytes: Math.min(bytes, this.#maxBytes), onLate, since: 0 };
    if (this.#waiting.length > 0 && this.#waitingBytes + reservation.bytes > this.#maxBytes) {
      throw new PeerError("limit", "too much data is arriving from all peers");
    }
    this.#waitingBytes += reservation.bytes;
    await new Promise<void>((start) => {
      this.#waiting.push({ reservation, start });
      this.#start();
    });
    return () => {
      if (!this.#reserved.delete(reservation)) return;
      this.#used -= reservation.bytes;
      this.#start();
    };
  }

  /** Ends the links that are late. */
  tick(): void {
    if (this.#waiting.length === 0) return;
    const now = this.#clock.monotonic();
    for (const { since, onLate } of this.#reserved) if (now - since > lateMs) onLate();
  }

  #start(): void {
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      const { reservation, start } = next;
      if (this.#used + reservation.bytes > this.#maxBytes) return;
      this.#waiting.shift();
      this.#waitingBytes -= reservation.bytes;
      this.#used += reservation.bytes;
      reservation.since = this.#clock.monotonic();
      this.#reserved.add(reservation);
      start();
    }
  }
}
