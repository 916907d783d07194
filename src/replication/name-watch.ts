import type { Clock } from "../model/clock.js";

/** The most names that are watched, and processes that are remembered of each; the oldest go first. */
const mostNames = 5000;
const mostProcesses = 8;

interface Name {
  current: string;
  /** The processes that bore it before. */
  readonly before: Set<string>;
  /** When it was last seen to be shared, on the monotonic clock. */
  sharedAt: number | undefined;
}

/**
 * Finds names that several nodes bear, by what peers say of themselves. A process that starts anew takes the name of
 * the one before, which is never heard of again; where one comes back after another, both are there.
 */
export class NameWatch {
  readonly #names = new Map<string, Name>();

  /** @param holds seconds for which a name counts as shared after it was last seen to be. */
  constructor(
    private readonly clock: Clock,
    private readonly holds: number,
  ) {}

  /** A process said its name. @returns whether it shares it with another. */
  saw(name: string, process: string): boolean {
    const known = this.#names.get(name);
    if (known === undefined) {
      const [oldest] = this.#names.keys();
      if (this.#names.size >= mostNames && oldest !== undefined) this.#names.delete(oldest);
      this.#names.set(name, { current: process, before: new Set(), sharedAt: undefined });
      return false;
    }
    if (known.current === process) return false;
    const shared = known.before.delete(process);
    if (shared) known.sharedAt = this.clock.monotonic();
    known.before.add(known.current);
    known.current = process;
    const [oldest] = known.before;
    if (known.before.size > mostProcesses && oldest !== undefined) known.before.delete(oldest);
    return shared;
  }

  /** The names that several nodes bear at the moment. */
  shared(): string[] {
    const since = this.clock.monotonic() - this.holds * 1000;
    return [...this.#names].flatMap(([name, { sharedAt }]) =>
      sharedAt !== undefined && sharedAt >= since ? [name] : [],
    );
  }
}
