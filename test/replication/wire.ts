import { connect, type Socket } from "node:net";
import { startTcpTarget } from "../support/target-server.js";
import type { HasPort } from "./proxies.js";

/** A network in front of a proxy that can fail. */
export interface Wire extends HasPort {
  /** From now on, sent bytes are buffered and no connection ends. */
  swallow(): void;
  heal(): void;
  /** Resets all connections once this many more bytes have arrived. */
  resetAfter(bytes: number): void;
  /** Bytes that arrived. */
  readonly bytes: number;
  /** Resets so far. */
  readonly resets: number;
}

/** Starts a network in front of a proxy's SSH port. It stops when the test ends. */
export async function startWire({ port: farPort }: HasPort): Promise<Wire> {
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
    const far = connect({ host: "127.0.0.1", port: farPort, noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => undefined);
      from.on("data", (chunk: Buffer) => {
        const arriving = chunk.subarray(0, resetAt - bytes);
        bytes += arriving.length;
        to.write(arriving);
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
    port,
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
