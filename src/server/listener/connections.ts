import type { RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Limits for all connections together. */
export interface ConnectionLimits {
  /** Pipelined requests that wait for an earlier response on their connection. */
  readonly waiting: number;
  /** Bytes of responses that clients have not read yet. */
  readonly unreadBytes: number;
  /** Milliseconds between two checks of `unreadBytes`. */
  readonly checkInterval: number;
}

const defaultLimits: ConnectionLimits = {
  waiting: 10_000,
  unreadBytes: 256 * 1024 * 1024,
  checkInterval: 1000,
};

/** The minimum that an unread response counts: the state of its compression takes memory too. */
const minUnreadBytes = 256 * 1024;

interface Connection {
  /** The response to the latest request. */
  last: ServerResponse;
  /** Requests that wait for earlier responses. */
  waiting: number;
}

/**
 * Limits what clients leave unfinished. HTTP clients can pipeline requests without waiting for responses, and Node
 * emits all of them at once; and clients can leave responses unread.
 */
export class Connections {
  /** The connections that have sent a request. */
  readonly #connections = new Map<Socket, Connection>();
  readonly #limits: ConnectionLimits;
  readonly #timer: NodeJS.Timeout;
  #waiting = 0;

  constructor(limits: Partial<ConnectionLimits> = {}) {
    this.#limits = { ...defaultLimits, ...limits };
    this.#timer = setInterval(() => this.#closeUnread(), this.#limits.checkInterval);
    this.#timer.unref();
  }

  /** A listener that receives the requests of a connection one at a time, each after the previous response. */
  inTurn(listener: RequestListener): RequestListener {
    return (request, response) => {
      const connection = this.#connections.get(request.socket);
      if (connection === undefined) {
        this.#add(request.socket, response);
        return listener(request, response);
      }
      const previous = connection.last;
      connection.last = response;
      // A response has a socket as soon as no other response precedes it.
      if (response.socket !== null) listener(request, response);
      else this.#wait(connection, previous, request.socket, () => listener(request, response));
    };
  }

  /**
   * Closes a connection without traffic for as long as the server's timeout: an idle one, or one whose client does
   * not read. A response that is still being prepared is waited for.
   */
  timedOut(socket: Socket): void {
    const last = this.#connections.get(socket)?.last;
    if (last === undefined || last.writableEnded || socket.writableLength > 0) socket.destroy();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #add(socket: Socket, last: ServerResponse): void {
    const connection = { last, waiting: 0 };
    this.#connections.set(socket, connection);
    socket.once("close", () => {
      this.#connections.delete(socket);
      this.#waiting -= connection.waiting;
    });
  }

  #wait(connection: Connection, previous: ServerResponse, socket: Socket, run: () => void): void {
    if (this.#waiting >= this.#limits.waiting) return void socket.destroy();
    this.#waiting++;
    connection.waiting++;
    previous.once("close", () => {
      // Not at once: Node emits `close` in the same turn as the end, so a client could keep the event loop to itself.
      setImmediate(() => {
        if (socket.destroyed) return;
        this.#waiting--;
        connection.waiting--;
        run();
      });
    });
  }

  /** Closes the connections with the most unread bytes until the rest is within the limit. */
  #closeUnread(): void {
    const unread = [...this.#connections.keys()]
      .filter(({ writableLength }) => writableLength > 0)
      .map((socket) => ({ socket, bytes: Math.max(minUnreadBytes, socket.writableLength) }))
      .sort((one, other) => other.bytes - one.bytes);
    let total = unread.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { socket, bytes } of unread) {
      if (total <= this.#limits.unreadBytes) return;
      socket.destroy();
      total -= bytes;
    }
  }
}
