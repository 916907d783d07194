import type { RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** What clients may keep waiting, of all connections together. */
export interface ConnectionLimits {
  /** Requests behind another one of their connection that is not answered yet. */
  readonly waiting: number;
  /** Bytes of answers that are written and not read. */
  readonly unreadBytes: number;
  /** Milliseconds between two looks at what is not read. */
  readonly lookMs: number;
}

const defaultLimits: ConnectionLimits = {
  waiting: 10_000,
  unreadBytes: 256 * 1024 * 1024,
  lookMs: 1000,
};

/** What an answer that is not read takes at least, beside its bytes: the state of its compression. */
const leastUnread = 256 * 1024;

/** What is known of a connection. */
interface Line {
  /** The answer that comes after all others so far. */
  last: ServerResponse;
  /** Requests that wait for the answers before them. */
  waiting: number;
}

/**
 * Keeps what clients leave lying within bounds. HTTP lets them send requests without waiting for answers, and Node
 * hands over all of them at once; and nobody has to read what was asked for.
 */
export class Connections {
  /** The connections that have asked for something. */
  readonly #lines = new Map<Socket, Line>();
  readonly #limits: ConnectionLimits;
  readonly #timer: NodeJS.Timeout;
  #waiting = 0;

  constructor(limits: Partial<ConnectionLimits> = {}) {
    this.#limits = { ...defaultLimits, ...limits };
    this.#timer = setInterval(() => this.#cutUnread(), this.#limits.lookMs);
    this.#timer.unref();
  }

  /** A listener that gets the requests of a connection one at a time: the next when the one before is answered. */
  inTurn(listener: RequestListener): RequestListener {
    return (request, response) => {
      const line = this.#lines.get(request.socket);
      if (line === undefined) {
        this.#begin(request.socket, response);
        listener(request, response);
        return;
      }
      const before = line.last;
      line.last = response;
      // An answer has its socket as soon as there is none before it.
      if (response.socket !== null) listener(request, response);
      else this.#wait(line, before, request.socket, () => listener(request, response));
    };
  }

  /**
   * Ends a connection on which nothing has moved for as long as its server allows, neither in nor out: one that is
   * idle, or whose client does not read. An answer that is still worked on is waited for.
   */
  timedOut(socket: Socket): void {
    const last = this.#lines.get(socket)?.last;
    if (last === undefined || last.writableEnded || socket.writableLength > 0) socket.destroy();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #begin(socket: Socket, last: ServerResponse): void {
    const line = { last, waiting: 0 };
    this.#lines.set(socket, line);
    socket.once("close", () => {
      this.#lines.delete(socket);
      this.#waiting -= line.waiting;
    });
  }

  #wait(line: Line, before: ServerResponse, socket: Socket, itsTurn: () => void): void {
    if (this.#waiting >= this.#limits.waiting) {
      socket.destroy();
      return;
    }
    this.#waiting++;
    line.waiting++;
    before.once("close", () => {
      if (socket.destroyed) return;
      this.#waiting--;
      line.waiting--;
      itsTurn();
    });
  }

  /** Ends the connections with most unread bytes until the rest is within the limit. */
  #cutUnread(): void {
    const unread = [...this.#lines.keys()]
      .filter(({ writableLength }) => writableLength > 0)
      .map((socket) => ({ socket, bytes: Math.max(leastUnread, socket.writableLength) }))
      .sort((one, other) => other.bytes - one.bytes);
    let total = unread.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { socket, bytes } of unread) {
      if (total <= this.#limits.unreadBytes) return;
      socket.destroy();
      total -= bytes;
    }
  }
}
