import type { Socket } from "node:net";

/**
 * Has what is written to a socket in one go leave in one system call, or few. ssh2 writes each packet in three
 * pieces, each a call of its own otherwise, which took a third of a sender's time. Not for the handshake: who is sent
 * away there is told why right before the socket ends.
 */
export function gatherWrites(socket: Socket): void {
  const write = socket.write;
  socket.write = function gathered(this: Socket, ...args: Parameters<typeof write>): boolean {
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    return write.apply(this, args);
  } as typeof write;
}
