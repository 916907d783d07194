import { connect, type Socket } from "node:net";

/** The responses to raw bytes. */
export interface RawAnswer {
  /** The status of each response, in order. */
  readonly statuses: readonly number[];
  readonly text: string;
}

/** A connection to a loopback port. Its errors are ignored. */
export function open(port: number): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  return socket;
}

/**
 * Sends raw bytes and reads until the connection is closed.
 *
 * @param milliseconds after which this side closes it.
 */
export function exchange(port: number, bytes: string | Buffer, milliseconds = 3000): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const socket = open(port);
    let text = "";
    socket.on("data", (data) => (text += data.toString("latin1")));
    const timer = setTimeout(() => socket.destroy(), milliseconds);
    socket.on("close", () => {
      clearTimeout(timer);
      const statuses = [...text.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status));
      resolve({ statuses, text });
    });
    socket.write(bytes);
  });
}
