import type { Duplex } from "node:stream";
import { FrameChannel } from "./frame-channel.js";
import { maxBatchBytes } from "./limits.js";
import type { SyncContext } from "./sync-context.js";

/**
 * The channel of a `sync` command, within the limits that all share.
 *
 * @param signal aborted when the connection is gone, perhaps with the PeerError that tells why.
 */
export function openSyncChannel(stream: Duplex, signal: AbortSignal, context: SyncContext): FrameChannel {
  const { limits, received, countBytes } = context;
  return new FrameChannel(stream, {
    limits: { m: limits.messageBytes, t: maxBatchBytes(limits) },
    frameMs: limits.exchangeMs,
    sendMs: limits.sendMs,
    budget: received,
    signal,
    onBytes: countBytes,
  });
}
