import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import type { Channel } from "ssh2";

/** Bytes that may wait in the socket before a channel waits, and how many go there at once. */
const waitingBytes = 1024 * 1024;
const sliceBytes = 256 * 1024;
/** Milliseconds between two looks whether new keys are negotiated. */
const rekeyingMs = 20;

type Write = NonNullable<Writable["_write"]>;

/** What ssh2 keeps to itself. */
interface Internals {
  _write: Write;
  /** `_kexinit` is there while keys are negotiated: what is written meanwhile waits in ssh2, unseen by the socket. */
  _client?: { readonly _protocol?: { readonly _kexinit?: unknown } };
}

/**
 * Lets what is written into a channel wait for the socket. ssh2 itself waits only for the window that the other end
 * allows, which may be 4 GB, and would keep all of that in memory for who does not read.
 */
export function paceBySocket(channel: Channel, socket: Socket): void {
  const internals = channel as unknown as Internals;
  const write: Write = internals._write;
  const whenThereIsRoom = (then: () => void): void => {
    // Nobody waits for an answer any more; ssh2 does not give one either.
    if (socket.destroyed) return;
    if (internals._client?._protocol?._kexinit !== undefined) {
      setTimeout(() => whenThereIsRoom(then), rekeyingMs).unref();
    } else if (socket.writableLength > waitingBytes) {
      socket.once("drain", () => whenThereIsRoom(then));
    } else then();
  };
  internals._write = (bytes: Buffer, encoding, done) => {
    let at = 0;
    const next = (error?: Error | null): void => {
      if (error || at >= bytes.length) return void done(error);
      const slice = bytes.subarray(at, at + sliceBytes);
      at += slice.length;
      whenThereIsRoom(() => write.call(channel, slice, encoding, next));
    };
    next();
  };
}
