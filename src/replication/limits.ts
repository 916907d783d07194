/** What a peer may use up, each checked before anything is set aside for it. */
export interface ReplicationLimits {
  /** The inflated size of one exposition, in bytes: SCRAPE_MAX_BYTES. */
  readonly entryBytes: number;
  /** Entries of one origin. */
  readonly entriesPerOrigin: number;
  /** Entries and gzip bytes of all origins together, this node's own included: when more are there none is added. */
  readonly entries: number;
  readonly gzipBytes: number;
  readonly origins: number;
  /** One control message, in bytes, once inflated. */
  readonly messageBytes: number;
  /** Milliseconds without a byte from the peer in the middle of an exchange, and for all of it. */
  readonly idleMs: number;
  readonly exchangeMs: number;
  /** Milliseconds that a peer may take to read some of what it is sent. */
  readonly sendMs: number;
  /** Bytes that have come of all peers and are not taken in yet. */
  readonly receivingBytes: number;
}

/** Far above what a swarm of some hundred nodes needs. */
export function defaultLimits(entryBytes: number): ReplicationLimits {
  return {
    entryBytes,
    entriesPerOrigin: 20_000,
    entries: 200_000,
    gzipBytes: 2 ** 31,
    origins: 2000,
    messageBytes: 4 * 1024 * 1024,
    idleMs: 5000,
    exchangeMs: 60_000,
    sendMs: 30_000,
    receivingBytes: 64 * 1024 * 1024 + 4 * maxGzipBytes(entryBytes),
  };
}

/** Entries and bytes from which on the sender begins a new batch. */
export const batchEntries = 64;
export const batchBytes = 512 * 1024;

/** The most that gzip makes of a text: it may lengthen it a little. */
export function maxGzipBytes(bytes: number): number {
  return bytes + Math.ceil(bytes / 1000) + 1024;
}

/** The longest frame with a batch: one entry as large as can be, or many small ones, and what is said of them. */
export function maxBatchBytes(limits: ReplicationLimits): number {
  return Math.max(maxGzipBytes(limits.entryBytes), 2 * batchBytes) + limits.messageBytes;
}
