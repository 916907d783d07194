import type { Socket } from "node:net";

/** Milliseconds that the other end may take to read the last of it and hang up, too. */
const partingMs = 2000;

/** Ends a connection from this side; who does not hang up then is not waited for. */
export function part(socket: Socket): void {
  socket.end();
  const timer = setTimeout(() => socket.destroy(), partingMs);
  socket.once("close", () => clearTimeout(timer));
}
