import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { fixedPort } from "./fixed-port.js";

/** Forwards TCP connections, and can pause like a network that loses all packets: nothing is closed. */
export interface Forwarder {
  readonly port: number;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export async function startForwarder(to: number): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  let paused = false;
  const server = createServer((incoming) => {
    const outgoing = connect(to, "127.0.0.1");
    for (const [from, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      if (paused) from.pause();
      from.on("data", (chunk) => {
        // What the other end does not read must not pile up here.
        if (!other.write(chunk)) {
          from.pause();
          other.once("drain", () => void (paused || from.resume()));
        }
      });
      from.on("error", () => from.destroy());
      from.on("close", () => {
        sockets.delete(from);
        other.destroy();
      });
    }
  });
  const port = await fixedPort();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    port,
    pause() {
      paused = true;
      for (const socket of sockets) socket.pause();
    },
    resume() {
      paused = false;
      for (const socket of sockets) socket.resume();
    },
    async stop() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
