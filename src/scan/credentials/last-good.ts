import type { Clock } from "../../model/clock.js";

/** Milliseconds for which a value is used before it is looked at again. */
const freshFor = 1_000;

export interface LastGoodOptions<T> {
  /** Makes the value anew; where nothing changed it may give back the `previous` one. */
  load(previous: T): Promise<T>;
  /** Told when loading begins to fail, with the reason, and with undefined once when it works again. */
  tell(problem: string | undefined): void;
  readonly clock: Clock;
}

/**
 * A value that comes from files which change. It is loaded again when it is used, at most once a second, so a change
 * needs no watcher to be seen; and whatever the file system's times say, as the contents decide. While it cannot be
 * loaded the last good one goes on.
 */
export class LastGood<T> {
  #value: T;
  #lookedAt: number;
  #looking: Promise<void> | undefined;
  #problem: string | undefined;

  /** @param first what was loaded just now. */
  constructor(
    first: T,
    private readonly options: LastGoodOptions<T>,
  ) {
    this.#value = first;
    this.#lookedAt = options.clock.monotonic();
  }

  /** The value as it was last looked at. */
  get latest(): T {
    return this.#value;
  }

  /** The value as it was at most a second ago. Never rejects. */
  async current(): Promise<T> {
    if (this.#looking !== undefined || this.options.clock.monotonic() - this.#lookedAt >= freshFor) {
      this.#looking ??= this.#look();
      await this.#looking;
    }
    return this.#value;
  }

  async #look(): Promise<void> {
    let problem: string | undefined;
    try {
      this.#value = await this.options.load(this.#value);
    } catch (error) {
      problem = (error as Error).message;
    }
    this.#lookedAt = this.options.clock.monotonic();
    this.#looking = undefined;
    const changed = problem !== this.#problem;
    this.#problem = problem;
    if (changed) this.options.tell(problem);
  }
}
