import type { Connections } from "../connections.js";

/** Connections that were replaced, until the scrapes that still use them are done. */
export class Retirement {
  readonly #waiting = new Map<Connections, NodeJS.Timeout>();

  /** @param longest seconds after which nobody can use them any more. */
  constructor(private readonly longest: number) {}

  take(connections: Connections): void {
    const timer = setTimeout(() => void this.#close(connections), this.longest * 1000);
    this.#waiting.set(connections, timer);
  }

  /** Closes all that wait, at once. */
  async end(): Promise<void> {
    await Promise.all([...this.#waiting.keys()].map((connections) => this.#close(connections)));
  }

  async #close(connections: Connections): Promise<void> {
    clearTimeout(this.#waiting.get(connections));
    this.#waiting.delete(connections);
    await connections.close();
  }
}
