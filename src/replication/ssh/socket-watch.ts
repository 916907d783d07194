import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { part } from "./parting.js";

/** Bytes that wait for the other end to read them. What is paced stays far below: see paced-channel.ts. */
const unsentBytes = 4 * 1024 * 1024;
/** Bytes of a channel that wait to be read here: twice what SSH's windows allow. */
const unreadBytes = 8 * 1024 * 1024;

export interface SocketWatch {
  readonly socket: Socket;
  /** Whether the other end may have sent so many more bytes. */
  readonly mayReceive: (bytes: number) => boolean;
  /** The channels that are open. */
  readonly channels: () => Iterable<Duplex>;
  /** Told once, what is too much; the socket is to be ended. */
  readonly onExcess: (what: string) => void;
}

/**
 * Bounds what one SSH connection may keep in memory. ssh2 does not: it answers who never reads, takes what is sent
 * beyond the window, has no end of handshakes, and waits for ever until who it sent away hangs up. To be called once ssh2 has the socket, which must not flow yet.
 */
export function watchSocket({ socket, mayReceive, channels, onExcess }: SocketWatch): void {
  let over = false;
  socket.on("data", (chunk: Buffer) => {
    if (over) return;
    if (socket.writableEnded) {
      over = true;
      return part(socket);
    }
    const what = mayReceive(chunk.length)
      ? excessOf(socket, channels())
      : "it sends more than it has reason to";
    if (what === undefined) return;
    over = true;
    onExcess(what);
  });
}

function excessOf(socket: Socket, channels: Iterable<Duplex>): string | undefined {
  if (socket.writableLength > unsentBytes) return "it asks on and on and reads no answer";
  for (const { readableLength } of channels) {
    if (readableLength > unreadBytes) return "it sends more than the window of the channel allows";
  }
  return undefined;
}
