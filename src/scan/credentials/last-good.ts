import type { Clock } from "../../model/clock.js";

/** Milliseconds for which a value is used before it is loaded again. */
const freshFor = 1_000;

export interface LastGoodOptions<T> {
  /** Loads the value. May return `previous` if nothing changed. */
  load(previous: T): Promise<T>;
  /** Called with the reason when loading starts to fail or fails for another reason, and with undefined when it recovers. */
  report(problem: string | undefined): void;
  readonly clock: Clock;
}

/**
 * A value loaded from files that may change. It is loaded again on use, at most once per second. That needs no watcher
 * and does not depend on modification times. If loading fails, the last good value stays in use.
 */
export class LastGood<T> {
  #value: T;
  #loadedAt: number;
  #loading: Promise<void> | undefined;
  #problem: string | undefined;

  /** @param first a value that has just been loaded. */
  constructor(
    first: T,
    private readonly options: LastGoodOptions<T>,
  ) {
    this.#value = first;
    this.#loadedAt = options.clock.monotonic();
  }

  /** The value of the most recent load. */
  get latest(): T {
    return this.#value;
  }

  /** The value, at most one second old. Never rejects. */
  async current(): Promise<T> {
    if (this.#loading !== undefined || this.options.clock.monotonic() - this.#loadedAt >= freshFor) {
      this.#loading ??= this.#load();
      await this.#loading;
    }
    return this.#value;
  }

  async #load(): Promise<void> {
    let problem: string | undefined;
    try {
      this.#value = await this.options.load(this.#value);
    } catch (error) {
      problem = (error as Error).message;
    }
    this.#loadedAt = this.options.clock.monotonic();
    this.#loading = undefined;
    const changed = problem !== this.#problem;
    this.#problem = problem;
    if (changed) this.options.report(problem);
  }
}
