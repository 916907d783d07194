import type { Socket } from "node:net";
import type { Channel } from "ssh2";
import { isRekeying, wrapWrite } from "./ssh2-internals.js";

/** Bytes that may be queued in the socket before a channel waits, and bytes that a channel queues at once. */
const queuedBytes = 1024 * 1024;
const sliceBytes = 256 * 1024;
/** Milliseconds between two checks whether a key re-exchange is complete. */
const rekeyPollMs = 20;

/**
 * Makes writes to a channel wait for the socket. ssh2 itself waits only for the channel's window, which the remote
 * side may set to 4 GB, and would buffer all of that for a client that does not read.
 */
export function limitWrites(channel: Channel, socket: Socket): void {
  const whenWritable = (then: () => void): void => {
    // ssh2 does not call back for a closed connection either.
    if (socket.destroyed) return;
    if (isRekeying(channel)) setTimeout(() => whenWritable(then), rekeyPollMs).unref();
    else if (socket.writableLength > queuedBytes) socket.once("drain", () => whenWritable(then));
    else then();
  };
  wrapWrite(channel, (write) => (bytes: Buffer, encoding, done) => {
    let offset = 0;
    const next = (error?: Error | null): void => {
      if (error || offset >= bytes.length) return void done(error);
      const slice = bytes.subarray(offset, offset + sliceBytes);
      offset += slice.length;
      whenWritable(() => write(slice, encoding, next));
    };
    next();
  });
}

/**
 * Sends all writes of one tick in one system call. ssh2 writes each packet in three pieces, which otherwise takes a
 * third of the sender's CPU time. Not for the handshake, where an error is written just before the socket ends.
 */
export function batchWrites(socket: Socket): void {
  const write = socket.write;
  socket.write = function batched(this: Socket, ...args: Parameters<typeof write>): boolean {
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    return write.apply(this, args);
  } as typeof write;
}
