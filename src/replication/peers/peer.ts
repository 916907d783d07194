import { Backoff } from "../../backoff.js";
import type { HostPort } from "../../model/host-port.js";
import type { PeerStatus } from "../../model/replication-status.js";
import type { PeerError } from "../peer-error.js";
import type { PeerConnection } from "../ssh/connection.js";
import type { Link } from "../sync/link.js";
import type { KnownPeer } from "./peer-source.js";

const firstRetryMs = 1000;
const longestRetryMs = 60_000;
/** Milliseconds after which an address of this node is dialled again: names can move to another node. */
const selfMs = 600_000;

/** A peer that this node can dial. */
export class Peer {
  known: KnownPeer;
  /** Whether it is being dialled. */
  dialling = false;
  /** Since when there is no link, on the monotonic clock. */
  unlinkedSince: number;
  readonly #backoff: Backoff;
  #attempts = 0;
  #hello: Link["peer"];
  #selfUntil = Number.NEGATIVE_INFINITY;
  #error: PeerError | undefined;
  #lastMessage: number | undefined;
  #lastDuration: number | undefined;
  #connection: PeerConnection | undefined;
  #bytes = { in: 0, out: 0 };

  /** @param interval SCRAPE_INTERVAL in seconds. */
  constructor(known: KnownPeer, interval: number, now: number) {
    this.known = known;
    const longest = Math.min(interval * 1000, longestRetryMs);
    this.#backoff = new Backoff({ first: firstRetryMs, longest, jitter: 0.2 });
    this.unlinkedSince = now;
  }

  /** The address to dial next: another one after each failure. */
  get address(): HostPort {
    const { addresses } = this.known;
    return addresses[this.#attempts % addresses.length]!;
  }

  get error(): PeerError | undefined {
    return this.#error;
  }

  /** Applies a newer list. */
  update(known: KnownPeer): void {
    if (JSON.stringify(known.addresses) !== JSON.stringify(this.known.addresses)) {
      this.#selfUntil = Number.NEGATIVE_INFINITY;
    }
    this.known = known;
  }

  isSelf(now: number): boolean {
    return now < this.#selfUntil;
  }

  /** Whether backoff permits dialling. */
  isDue(now: number): boolean {
    return !this.dialling && !this.isSelf(now) && this.#backoff.wait(now) === 0;
  }

  /** Whether a link is to this peer, regardless of which end dialled. */
  isLinkedBy({ peer }: Link): boolean {
    return peer !== undefined && (peer.task === this.known.key || peer.instance === this.#hello?.instance);
  }

  connected(connection: PeerConnection): void {
    this.#bytes = this.#totalBytes();
    this.#connection = connection;
  }

  /** The peer introduced itself. @returns whether it is new or has recovered. */
  linked({ peer }: Link): boolean {
    const isNew = this.#error !== undefined || this.#hello?.instance !== peer?.instance;
    this.#hello = peer;
    this.#error = undefined;
    this.#backoff.succeeded();
    return isNew;
  }

  /** The address is this node's own. */
  foundSelf(now: number): void {
    this.#selfUntil = now + selfMs;
    this.#error = undefined;
  }

  /** @returns whether the reason is new. */
  failed(error: PeerError, now: number): boolean {
    const isNew = this.#error?.reason !== error.reason;
    this.#error = error;
    this.#attempts++;
    this.#backoff.failed(now);
    return isNew;
  }

  status(link: Link | undefined, now: number): PeerStatus {
    this.#lastMessage = link?.lastMessage ?? this.#lastMessage;
    this.#lastDuration = link?.receiver.lastDuration ?? this.#lastDuration;
    const { in: bytesIn, out: bytesOut } = this.#totalBytes();
    const state = this.isSelf(now)
      ? "self"
      : link !== undefined
        ? "connected"
        : this.#error
          ? "failing"
          : "pending";
    return {
      title: this.known.title,
      address: `${this.address.host}:${this.address.port}`,
      ...(this.#hello === undefined ? {} : { node: this.#hello.origin }),
      state,
      ...(this.#lastMessage === undefined ? {} : { lastSuccess: this.#lastMessage }),
      ...(this.#lastDuration === undefined ? {} : { lastDuration: this.#lastDuration }),
      ...(this.#error === undefined
        ? {}
        : { lastError: this.#error.message, lastReason: this.#error.reason }),
      failures: this.#backoff.failures,
      bytesIn,
      bytesOut,
    };
  }

  /** Closes the connection that this node dialled. */
  close(): void {
    this.#connection?.close();
  }

  #totalBytes(): { in: number; out: number } {
    const { in: bytesIn, out: bytesOut } = this.#connection?.bytes ?? { in: 0, out: 0 };
    return { in: this.#bytes.in + bytesIn, out: this.#bytes.out + bytesOut };
  }
}
