import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Bytes queued for the remote side. Channels stay far below, see limitWrites. */
const maxUnsentBytes = 4 * 1024 * 1024;
/** Received and unread bytes of a channel: twice what the window allows. */
const maxUnreadBytes = 8 * 1024 * 1024;
/** Milliseconds that the remote side has to close its side. */
const closeMs = 2000;

export interface SocketLimits {
  readonly socket: Socket;
  /** Whether the remote side may send this many further bytes now. */
  readonly mayReceive: (bytes: number) => boolean;
  /** The open channels. */
  readonly channels: () => Iterable<Duplex>;
  /** Called once, with the limit that was exceeded. Must destroy the socket. */
  readonly onExceeded: (limit: string) => void;
}

/**
 * Limits the memory of one SSH connection. ssh2 does not: it replies to a client that never reads, accepts data
 * beyond the window, and waits forever for the remote side to close. To be called after ssh2 has the socket and before
 * data arrives.
 */
export function limitSocket({ socket, mayReceive, channels, onExceeded }: SocketLimits): void {
  let over = false;
  socket.on("data", (chunk: Buffer) => {
    if (over) return;
    if (socket.writableEnded) {
      over = true;
      return endSocket(socket);
    }
    const limit = mayReceive(chunk.length)
      ? exceededLimit(socket, channels())
      : "received more data than allowed";
    if (limit === undefined) return;
    over = true;
    onExceeded(limit);
  });
}

function exceededLimit(socket: Socket, channels: Iterable<Duplex>): string | undefined {
  if (socket.writableLength > maxUnsentBytes) return "too many unread replies";
  for (const { readableLength } of channels) {
    if (readableLength > maxUnreadBytes) return "received more data than the channel window allows";
  }
  return undefined;
}

/** Closes this side of a connection, and the rest if the remote side does not follow within two seconds. */
export function endSocket(socket: Socket): void {
  socket.end();
  const timer = setTimeout(() => socket.destroy(), closeMs);
  socket.once("close", () => clearTimeout(timer));
}
