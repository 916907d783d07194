import type { Socket } from "node:net";
import { addressBlock } from "../../address/address-block.js";
import type { Clock } from "../../model/clock.js";
import { type Rate, TokenBucket } from "../../model/token-bucket.js";
import { AddressBuckets } from "./address-buckets.js";
import type { RefusalReason } from "./refusal.js";

/** How many connections are held, and taken. */
export interface ConnectionLimits {
  readonly authenticated: number;
  readonly unauthenticated: number;
  readonly unauthenticatedPerAddress: number;
  /** Milliseconds until a connection must be authenticated. */
  readonly handshakeMs: number;
  /** New connections: each costs some milliseconds of CPU for its keys. */
  readonly arrivals: Rate;
  readonly arrivalsPerAddress: Rate;
}

/** Room for a hundred peers behind one gateway that all come at once, as after it was away. */
export const defaultConnectionLimits: ConnectionLimits = {
  authenticated: 512,
  unauthenticated: 192,
  unauthenticatedPerAddress: 128,
  handshakeMs: 10_000,
  arrivals: { capacity: 300, perSecond: 50 },
  arrivalsPerAddress: { capacity: 150, perSecond: 25 },
};

const trustedRemembered = 10_000;

interface Stranger {
  /** Its address, or the network of it. */
  readonly block: string;
  readonly timer: NodeJS.Timeout;
  /** Whether it is counted already why it came to nothing. */
  told: boolean;
}

/**
 * Holds only so many connections. Who has not shown a key or password gets little time and room, and makes way for
 * who comes after: a peer needs some milliseconds, so that those who only sit there never keep it out, be it from
 * the same address. Many who come fast use up their own address' share first; addresses from which peers have come
 * do not depend on the share of all.
 */
export class ConnectionGuard {
  readonly #limits: ConnectionLimits;
  readonly #clock: Clock;
  readonly #onRefused: (reason: RefusalReason) => void;
  readonly #strangers = new Map<Socket, Stranger>();
  readonly #known = new Set<Socket>();
  readonly #arrivals: TokenBucket;
  readonly #arrivalsByAddress: AddressBuckets;
  readonly #trusted = new Set<string>();

  /** @param onRefused told each refusal, and each connection that came to nothing without one. */
  constructor(limits: ConnectionLimits, clock: Clock, onRefused: (reason: RefusalReason) => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onRefused = onRefused;
    this.#arrivals = new TokenBucket(limits.arrivals, clock.monotonic());
    this.#arrivalsByAddress = new AddressBuckets(limits.arrivalsPerAddress);
  }

  /** Takes a new connection, or ends it. Its socket is cared for until it closes. */
  admit(socket: Socket): boolean {
    const { unauthenticated, unauthenticatedPerAddress, handshakeMs } = this.#limits;
    const address = socket.remoteAddress;
    const block = addressBlock(address);
    if (address === undefined || !this.#mayCome(block)) {
      this.#onRefused("connections");
      socket.destroy();
      return false;
    }
    const neighbours = [...this.#strangers].filter(([, other]) => other.block === block);
    if (neighbours.length >= unauthenticatedPerAddress) this.#sendAway(neighbours[0]![0]);
    else if (this.#strangers.size >= unauthenticated) this.#sendAway([...this.#strangers.keys()][0]!);

    const timer = setTimeout(() => socket.destroy(), handshakeMs);
    this.#strangers.set(socket, { block, timer, told: false });
    socket.once("close", () => {
      this.#cameToNothing(socket, "handshake");
      this.#forget(socket);
      this.#known.delete(socket);
    });
    return true;
  }

  /**
   * The connection is authenticated. False, and its end, where there are too many.
   *
   * @param trusted whether by the key that only peers have.
   */
  authenticated(socket: Socket, trusted: boolean): boolean {
    const block = this.#strangers.get(socket)?.block;
    if (block === undefined) return false;
    if (this.#known.size >= this.#limits.authenticated) {
      this.#sendAway(socket);
      return false;
    }
    this.#forget(socket);
    this.#known.add(socket);
    if (trusted && this.#trusted.size < trustedRemembered) this.#trusted.add(block);
    return true;
  }

  /** Counts something that a stranger was refused. */
  refused(socket: Socket, reason: RefusalReason): void {
    const stranger = this.#strangers.get(socket);
    if (stranger === undefined) return;
    stranger.told = true;
    this.#onRefused(reason);
  }

  /** Whether it has yet to show who it is. */
  isStranger(socket: Socket): boolean {
    return this.#strangers.has(socket);
  }

  get sockets(): Socket[] {
    return [...this.#strangers.keys(), ...this.#known];
  }

  #mayCome(block: string): boolean {
    const now = this.#clock.monotonic();
    // Its own share first: who comes too often must not use up that of all.
    if (!this.#arrivalsByAddress.of(block, now).take(now)) return false;
    return this.#trusted.has(block) || this.#arrivals.take(now);
  }

  #sendAway(socket: Socket): void {
    this.#cameToNothing(socket, "connections");
    this.#forget(socket);
    socket.destroy();
  }

  #cameToNothing(socket: Socket, reason: RefusalReason): void {
    if (this.#strangers.get(socket)?.told === false) this.refused(socket, reason);
  }

  #forget(socket: Socket): void {
    clearTimeout(this.#strangers.get(socket)?.timer);
    this.#strangers.delete(socket);
  }
}
