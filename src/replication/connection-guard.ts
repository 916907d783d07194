import type { Socket } from "node:net";

/** How many connections are held. */
export interface ConnectionLimits {
  readonly authenticated: number;
  readonly unauthenticated: number;
  readonly unauthenticatedPerAddress: number;
  /** Milliseconds until a connection must be authenticated. */
  readonly handshakeMs: number;
}

export const defaultConnectionLimits: ConnectionLimits = {
  authenticated: 512,
  unauthenticated: 128,
  unauthenticatedPerAddress: 32,
  handshakeMs: 10_000,
};

/**
 * Holds only so many connections: who has not shown a key or password gets little time and room, and makes way for
 * who comes after.
 */
export class ConnectionGuard {
  readonly #strangers = new Map<Socket, NodeJS.Timeout>();
  readonly #known = new Set<Socket>();

  constructor(private readonly limits: ConnectionLimits) {}

  /** Takes a new connection, or ends it. Its socket is cared for until it closes. */
  admit(socket: Socket): boolean {
    const { unauthenticated, unauthenticatedPerAddress, handshakeMs } = this.limits;
    const address = socket.remoteAddress;
    const sameAddress = [...this.#strangers.keys()].filter((other) => other.remoteAddress === address);
    if (address === undefined || sameAddress.length >= unauthenticatedPerAddress) {
      socket.destroy();
      return false;
    }
    if (this.#strangers.size >= unauthenticated) [...this.#strangers.keys()][0]?.destroy();
    const timer = setTimeout(() => socket.destroy(), handshakeMs);
    this.#strangers.set(socket, timer);
    socket.once("close", () => {
      clearTimeout(this.#strangers.get(socket));
      this.#strangers.delete(socket);
      this.#known.delete(socket);
    });
    return true;
  }

  /** The connection is authenticated. False, and its end, where there are too many. */
  authenticated(socket: Socket): boolean {
    clearTimeout(this.#strangers.get(socket));
    this.#strangers.delete(socket);
    if (this.#known.size >= this.limits.authenticated) {
      socket.destroy();
      return false;
    }
    this.#known.add(socket);
    return true;
  }

  get sockets(): Socket[] {
    return [...this.#strangers.keys(), ...this.#known];
  }
}
