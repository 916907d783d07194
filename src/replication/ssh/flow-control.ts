import { createRequire } from "node:module";
import type { Socket } from "node:net";
import type { Channel } from "ssh2";
import { AppError } from "../../errors.js";

/** Bytes queued for the remote side. Channels stay far below. */
const maxUnsentBytes = 4 * 1024 * 1024;
/** Received and unread bytes of a channel: twice what the window allows. */
const maxUnreadBytes = 8 * 1024 * 1024;
/** Bytes that may be queued in the socket before a channel waits, and bytes that a channel queues at once. */
const queuedBytes = 1024 * 1024;
const sliceBytes = 256 * 1024;
/** Milliseconds that the remote side has to close its side. */
const closeMs = 2000;
/** Milliseconds between two checks whether a key re-exchange is complete. */
const rekeyPollMs = 20;

/**
 * Limits the memory of one SSH connection. ssh2 does not: it replies to a client that never reads, and waits forever
 * for the remote side to close. To be called after ssh2 has the socket and before data arrives.
 *
 * @param mayReceive whether the remote side may send this many further bytes now.
 * @param onExceeded called once, with the limit that was exceeded. Must destroy the socket.
 */
export function limitSocket(
  socket: Socket,
  mayReceive: (bytes: number) => boolean,
  onExceeded: (limit: string) => void,
): void {
  const check = (chunk: Buffer) => {
    if (socket.writableEnded) endSocket(socket);
    else if (!mayReceive(chunk.length)) onExceeded("received more data than allowed");
    else if (socket.writableLength > maxUnsentBytes) onExceeded("too many unread replies");
    else return;
    socket.off("data", check);
  };
  socket.on("data", check);
}

/** Closes this side of a connection, and the rest if the remote side does not follow within two seconds. */
export function endSocket(socket: Socket): void {
  socket.end();
  setTimeout(() => socket.destroy(), closeMs).unref();
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

/**
 * Limits the memory of a channel, and ignores its errors: it closes anyway. ssh2 accepts data beyond the channel's
 * window. When sending, it waits only for the window, which the remote side may set to 4 GB, and would buffer all of
 * that for a client that does not read: writes wait for the socket, too.
 *
 * @param onExceeded called when the remote side has sent too much. Must destroy the socket.
 */
export function limitChannel(channel: Channel, socket: Socket, onExceeded: (limit: string) => void): void {
  for (const stream of [channel, channel.stderr]) stream.on("error", () => undefined);
  const push = channel.push.bind(channel);
  channel.push = (bytes) => {
    const mayContinue = push(bytes);
    if (channel.readableLength > maxUnreadBytes)
      onExceeded("received more data than the channel window allows");
    return mayContinue;
  };

  const whenWritable = (then: () => void): void => {
    // ssh2 does not call back for a closed connection either.
    if (socket.destroyed) return;
    if (isRekeying(channel)) setTimeout(() => whenWritable(then), rekeyPollMs).unref();
    else if (socket.writableLength > queuedBytes) socket.once("drain", () => whenWritable(then));
    else then();
  };
  const write = channel._write.bind(channel);
  channel._write = (bytes: Buffer, encoding, done) => {
    let offset = 0;
    const next = (error?: Error | null): void => {
      if (error || offset >= bytes.length) return void done(error);
      const slice = bytes.subarray(offset, offset + sliceBytes);
      offset += slice.length;
      whenWritable(() => write(slice, encoding, next));
    };
    next();
  };
}

/** Whether keys are being re-exchanged. Meanwhile, ssh2 queues all data without a limit. */
function isRekeying(channel: Channel): boolean {
  const { _client } = channel as { _client?: { _protocol?: { _kexinit?: unknown } } };
  return _client?._protocol?._kexinit !== undefined;
}

/** The version whose private members this file uses; package.json pins the same one. */
const supportedVersion = "1.17.0";
const installed = createRequire(import.meta.url)("ssh2/package.json") as { readonly version: string };

/** @throws AppError if the installed version of ssh2 is not the one that this file was written for. */
export function requireSupportedVersion(version = installed.version): void {
  if (version === supportedVersion) return;
  throw new AppError(`unsupported ssh2 version ${version}: expected ${supportedVersion}; run npm ci`);
}
