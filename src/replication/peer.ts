import { Backoff } from "../backoff.js";
import type { PeerStatus } from "../model/replication-status.js";
import { compareVersions, noVersion, type Version } from "../model/version.js";
import type { FrameChannel } from "./frame-channel.js";
import { type FailureReason, PeerError } from "./peer-error.js";
import type { KnownPeer } from "./peers.js";
import { type LinkTimings, openLink, type PeerAddress, type SshLink } from "./ssh/client.js";
import type { SharedKeys } from "./ssh/keys.js";
import { openSyncChannel } from "./sync-channel.js";
import type { SyncContext } from "./sync-context.js";
import { type PeerIdentity, SyncSession } from "./sync-session.js";

export interface PeerOptions {
  readonly known: KnownPeer;
  readonly keys: SharedKeys;
  readonly context: SyncContext;
  readonly timings?: LinkTimings | undefined;
  /** Seconds between two cycles. */
  readonly interval: number;
}

/** What a peer suffers that is away or cannot be reached: as soon as that is over, it is to be in step again. */
const absences: ReadonlySet<FailureReason> = new Set(["connect", "timeout", "closed"]);
/** The longest time until a peer that does wrong is tried again, in milliseconds, or the interval where longer. */
const longestPunishmentMs = 60_000;

interface Connection {
  readonly link: SshLink;
  readonly channel: FrameChannel;
  readonly session: SyncSession;
}

/** One peer that this node talks to, over one lasting connection. */
export class Peer {
  readonly #options: PeerOptions;
  #known: KnownPeer;
  readonly #backoff = new Backoff({ first: 1000, longest: longestPunishmentMs, jitter: 0.2 });
  #connection: Connection | undefined;
  #bytes = { in: 0, out: 0 };
  #node: string | undefined;
  #self = false;
  #lastSuccess: number | undefined;
  #lastDuration: number | undefined;
  #lastError: PeerError | undefined;
  #theirs: ReadonlyMap<string, Version> = new Map();
  /** Counts on where an exchange fails: which of the addresses is in use. */
  #attempt = 0;
  #running = false;
  readonly #closing = new AbortController();

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#known = options.known;
  }

  get title(): string {
    return this.#known.title;
  }

  /** Takes what a newer list says of it. */
  update(known: KnownPeer): void {
    if (JSON.stringify(known.addresses) !== JSON.stringify(this.#known.addresses)) this.#self = false;
    this.#known = known;
  }

  /** Who answered last: the node, and the process there. */
  get identity(): PeerIdentity | undefined {
    return this.#connection?.session.peer;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Whether it is closed for good. */
  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  get isSelf(): boolean {
    return this.#self;
  }

  /** Whether an exchange may be tried now. */
  get isDue(): boolean {
    return !this.#running && !this.#self && !this.closed && this.#wait === 0;
  }

  /**
   * Milliseconds until an exchange may be tried again with a peer that was away. Undefined where it was not: then
   * the next cycle that finds it due will do.
   */
  get retryMs(): number | undefined {
    const reason = this.#lastError?.reason;
    return reason === undefined || !absences.has(reason) ? undefined : this.#wait;
  }

  get #wait(): number {
    return this.#backoff.wait(this.#options.context.clock.monotonic());
  }

  /**
   * Whether this node has something for it that it did not have after the last exchange. Who begins exchanges
   * itself gets it where this node has got it.
   */
  lacks(): boolean {
    const session = this.#connection?.session;
    if (session === undefined || !session.gives || session.peerIsManager) return false;
    return this.#options.context.cache.holdings
      .list()
      .some(
        (held) =>
          held.origin !== this.#node && compareVersions(held, this.#theirs.get(held.origin) ?? noVersion) > 0,
      );
  }

  /**
   * One exchange; connects where there is no connection. Only for one that is due: there is one at a time.
   *
   * @returns how many sections brought something new.
   * @throws PeerError, after which the connection is closed and the next try is later.
   */
  async exchange(): Promise<number> {
    const { context } = this.#options;
    const { clock, limits } = context;
    const begun = clock.monotonic();
    this.#running = true;
    const timer = setTimeout(
      () => this.#end(new PeerError("timeout", `the exchange took over ${limits.exchangeMs / 1000} s`)),
      limits.exchangeMs,
    );
    let ended: PeerError | undefined;
    try {
      const { session } = await this.#connect();
      const { brought, theirs } = await session.exchange();
      this.#theirs = theirs;
      this.#node = session.peer?.origin;
      this.#backoff.succeeded();
      this.#lastError = undefined;
      this.#lastSuccess = clock.now();
      this.#lastDuration = (clock.monotonic() - begun) / 1000;
      if (session.peer?.instance === context.instance) this.#self = true;
      return brought;
    } catch (error) {
      ended =
        error instanceof PeerError
          ? error
          : new PeerError("protocol", "the exchange failed", { cause: error });
      this.#lastError = ended;
      this.#attempt++;
      this.#backoff.failed(clock.monotonic(), this.#longestWait(ended.reason));
      throw ended;
    } finally {
      clearTimeout(timer);
      this.#running = false;
      if (ended !== undefined || this.#self) this.#end(ended ?? new PeerError("closed", "this node itself"));
    }
  }

  /** Whether the peer has just done what an exchange with it would do. */
  async hasJustCalled(): Promise<boolean> {
    const instance = this.#connection?.session.peer?.instance;
    if (instance === undefined || this.#lastError !== undefined) return false;
    if (!(await this.#options.context.answered.isEnough(instance))) return false;
    this.#lastSuccess = this.#options.context.clock.now();
    return true;
  }

  status(): PeerStatus {
    const state = this.#self
      ? "self"
      : this.#lastError !== undefined
        ? "failing"
        : this.#lastSuccess === undefined
          ? "pending"
          : "connected";
    const { in: bytesIn, out: bytesOut } = this.#total;
    return {
      title: this.#known.title,
      address: `${this.#address.host}:${this.#address.port}`,
      ...(this.#node === undefined ? {} : { node: this.#node }),
      state,
      ...(this.#lastSuccess === undefined ? {} : { lastSuccess: this.#lastSuccess }),
      ...(this.#lastDuration === undefined ? {} : { lastDuration: this.#lastDuration }),
      ...(this.#lastError === undefined
        ? {}
        : { lastError: this.#lastError.message, lastReason: this.#lastError.reason }),
      failures: this.#backoff.failures,
      bytesIn,
      bytesOut,
    };
  }

  /** Ends the connection, for good. */
  close(): void {
    this.#closing.abort();
    this.#end(new PeerError("closed", "stopped"));
  }

  /** The next of its addresses after each failure; one that does stays. */
  get #address(): PeerAddress {
    const { addresses } = this.#known;
    return addresses[this.#attempt % addresses.length]!;
  }

  get #total(): { in: number; out: number } {
    const now = this.#connection?.link.bytes ?? { in: 0, out: 0 };
    return { in: this.#bytes.in + now.in, out: this.#bytes.out + now.out };
  }

  #longestWait(reason: FailureReason): number {
    const intervalMs = this.#options.interval * 1000;
    return absences.has(reason) ? intervalMs : Math.max(longestPunishmentMs, intervalMs);
  }

  async #connect(): Promise<Connection> {
    if (this.#connection?.link.ended.aborted === false && !this.#connection.channel.failed)
      return this.#connection;
    this.#end(new PeerError("closed", "connecting anew"));
    const { keys, context, timings } = this.#options;
    const { signal } = this.#closing;
    const link = await openLink(this.#address, keys, signal, timings);
    // Closed in the meantime: nobody else knows of this connection.
    signal.addEventListener("abort", () => link.close(), { signal: link.ended });
    try {
      const stream = await withinTime(link.run("sync"), context.limits.idleMs);
      signal.throwIfAborted();
      const channel = openSyncChannel(stream, link.ended, context);
      this.#connection = { link, channel, session: new SyncSession(channel, context) };
      return this.#connection;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  #end(reason: PeerError): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#bytes = this.#total;
    this.#connection = undefined;
    connection.session.release();
    connection.channel.fail(reason);
    connection.link.close();
  }
}

async function withinTime<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new PeerError("timeout", "it does not open a channel")), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
