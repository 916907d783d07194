import { connect, type Socket } from "node:net";
import { startTcpTarget } from "../support/target-server.js";

/** A network between two proxies that can be cut. */
export interface Wire {
  readonly server: { readonly port: number };
  /** Lets nothing through any more, and tells nobody; what is under way waits. */
  swallow(): void;
  heal(): void;
  /** Ends all connections as a reset does, once so many more bytes have come through. */
  resetAfter(bytes: number): void;
  /** Bytes that came through. */
  readonly bytes: number;
  /** Resets so far. */
  readonly resets: number;
}

/** Starts a wire to a proxy's SSH port. It is gone when the test is done. */
export async function startWire({ server }: { readonly server: { readonly port: number } }): Promise<Wire> {
  const sockets = new Set<Socket>();
  let swallows = false;
  let bytes = 0;
  let resets = 0;
  let resetAt = Number.POSITIVE_INFINITY;
  const resetIfDue = () => {
    if (bytes < resetAt) return;
    resetAt = Number.POSITIVE_INFINITY;
    resets++;
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const relay = (near: Socket) => {
    const far = connect({ host: "127.0.0.1", port: server.port, noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => undefined);
      from.on("data", (chunk: Buffer) => {
        const through = chunk.subarray(0, resetAt - bytes);
        bytes += through.length;
        to.write(through);
        resetIfDue();
      });
      from.on("end", () => to.end());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      if (swallows) from.pause();
      else from.resume();
    }
  };
  const { port } = await startTcpTarget(relay, { noDelay: true, pauseOnConnect: true });
  return {
    server: { port },
    swallow() {
      swallows = true;
      for (const socket of sockets) socket.pause();
    },
    heal() {
      swallows = false;
      for (const socket of sockets) socket.resume();
    },
    resetAfter(more) {
      resetAt = bytes + more;
      resetIfDue();
    },
    get bytes() {
      return bytes;
    },
    get resets() {
      return resets;
    },
  };
}
