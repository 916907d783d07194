import type { Socket } from "node:net";
import { addressBlock } from "../../address/ip.js";
import { BoundedMap } from "../../bounded-map.js";
import type { Clock } from "../../model/clock.js";
import { TokenBucket } from "../../model/token-bucket.js";
import { type SshLimits, sshLimits } from "./limits.js";

/**
 * Why the SSH server refused a connection or request; the values of the label `reason`.
 *
 * `connections`: too many connections, or too many new ones. `handshake`: closed or too slow before authentication,
 * like a port scan. `host_key`: the client rejects this node's host key, as a node with another SSHPASS does. `key`,
 * `password`: wrong. `channels`: too many channels or commands. `requests`: not supported, such as a shell.
 * `timeout`: the client did not read the output of a command. `limit`: another limit exceeded.
 */
export const refusalReasons = [
  "connections",
  "handshake",
  "host_key",
  "key",
  "password",
  "channels",
  "requests",
  "timeout",
  "limit",
] as const;
export type RefusalReason = (typeof refusalReasons)[number];

interface Unauthenticated {
  /** See addressBlock. */
  readonly block: string;
  readonly timer: NodeJS.Timeout;
  /** Whether a reason for its refusal was counted. */
  counted: boolean;
}

/**
 * Limits the number of connections. An unauthenticated connection is closed after a timeout, and earlier to make way
 * for a newer one: a peer authenticates within milliseconds, so idle connections never block it, even from the same
 * address. A flood uses up the rate of its own address first; addresses of known peers are exempt from the total rate.
 */
export class ConnectionGuard {
  readonly #unauthenticated = new Map<Socket, Unauthenticated>();
  readonly #authenticated = new Set<Socket>();
  readonly #arrivals: TokenBucket;
  readonly #arrivalsByAddress = new BoundedMap<string, TokenBucket>(sshLimits.addresses);
  readonly #trusted = new BoundedMap<string, true>(sshLimits.addresses);

  /** @param onRefused called for each refusal, and for each connection that closes before it is authenticated. */
  constructor(
    private readonly limits: SshLimits,
    private readonly clock: Clock,
    private readonly onRefused: (reason: RefusalReason) => void,
  ) {
    this.#arrivals = new TokenBucket(limits.arrivals, clock.monotonic());
  }

  /** Accepts a new connection and tracks it until it closes. If it returns false, the socket is destroyed. */
  admit(socket: Socket): boolean {
    const { unauthenticated, unauthenticatedPerAddress, handshakeMs } = this.limits;
    const block = addressBlock(socket.remoteAddress);
    if (socket.remoteAddress === undefined || !this.#takeArrival(block)) {
      this.onRefused("connections");
      socket.destroy();
      return false;
    }
    const neighbours = [...this.#unauthenticated].filter(([, other]) => other.block === block);
    if (neighbours.length >= unauthenticatedPerAddress) this.#evict(neighbours[0]![0]);
    else if (this.#unauthenticated.size >= unauthenticated)
      this.#evict([...this.#unauthenticated.keys()][0]!);

    const timer = setTimeout(() => socket.destroy(), handshakeMs);
    this.#unauthenticated.set(socket, { block, timer, counted: false });
    socket.once("close", () => {
      this.#forget(socket, "handshake");
      this.#authenticated.delete(socket);
    });
    return true;
  }

  /**
   * Marks a connection as authenticated. If there are too many, returns false and destroys the socket.
   *
   * @param trusted whether it proved the key of the peers.
   */
  authenticated(socket: Socket, trusted: boolean): boolean {
    const block = this.#unauthenticated.get(socket)?.block;
    if (block === undefined) return false;
    if (this.#authenticated.size >= this.limits.authenticated) {
      this.#evict(socket);
      return false;
    }
    this.#forget(socket);
    this.#authenticated.add(socket);
    if (trusted) this.#trusted.set(block, true);
    return true;
  }

  /** Counts a refusal of an unauthenticated connection. */
  refused(socket: Socket, reason: RefusalReason): void {
    const connection = this.#unauthenticated.get(socket);
    if (connection === undefined) return;
    connection.counted = true;
    this.onRefused(reason);
  }

  get sockets(): Socket[] {
    return [...this.#unauthenticated.keys(), ...this.#authenticated];
  }

  #takeArrival(block: string): boolean {
    const now = this.clock.monotonic();
    const { arrivalsPerAddress } = this.limits;
    const own = this.#arrivalsByAddress.getOrCreate(block, () => new TokenBucket(arrivalsPerAddress, now));
    // Its own rate first, so that one address does not use up the total.
    return own.take(now) && (this.#trusted.get(block) || this.#arrivals.take(now));
  }

  #evict(socket: Socket): void {
    this.#forget(socket, "connections");
    socket.destroy();
  }

  /** @param reason counted unless another one was. */
  #forget(socket: Socket, reason?: RefusalReason): void {
    const connection = this.#unauthenticated.get(socket);
    if (connection === undefined) return;
    clearTimeout(connection.timer);
    this.#unauthenticated.delete(socket);
    if (reason !== undefined && !connection.counted) this.onRefused(reason);
  }
}
