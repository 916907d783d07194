import type { Cache } from "../cache/cache.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import type { Target } from "../model/target.js";
import { TargetRecord } from "./target-record.js";

export interface TargetBookOptions {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Milliseconds for which the word that a target stopped outweighs lists that still have it: an engine tells the
 * end of a container up to a few tenths of a second before its list drops it.
 */
const stopHolds = 10_000;

/**
 * The targets that are known, as the providers' lists and events tell them. What is gone is forgotten together
 * with its cache entry; a list that failed changes nothing, as it never gets here.
 */
export class TargetBook {
  readonly #options: TargetBookOptions;
  readonly #records = new Map<string, TargetRecord>();
  /** When an id was last told to have stopped: until it starts again no list of the next moments brings it back. */
  readonly #stopped = new Map<string, number>();
  /** When the list was asked for that was taken last, by provider. */
  readonly #listed = new Map<string, number>();

  constructor(options: TargetBookOptions) {
    this.#options = options;
  }

  all(): TargetRecord[] {
    return [...this.#records.values()];
  }

  get(id: string): TargetRecord | undefined {
    return this.#records.get(id);
  }

  /** Whether a record is still the one of its target. */
  holds(record: TargetRecord): boolean {
    return this.#records.get(record.target.id) === record;
  }

  /**
   * Takes a provider's whole list, unless it is older than the one before: a slow answer may come after a later one.
   *
   * @param begun the moment on the monotonic clock when the list was asked for.
   * @returns the records that are new.
   */
  takeList(provider: string, targets: readonly Target[], begun: number): TargetRecord[] {
    if (begun < (this.#listed.get(provider) ?? begun)) return [];
    this.#listed.set(provider, begun);
    this.#forgetStopsBefore(begun - stopHolds);
    const added: TargetRecord[] = [];
    const listed = new Set<string>();
    for (const target of targets) {
      if (this.#stopped.has(target.id)) continue;
      listed.add(target.id);
      const known = this.#records.get(target.id);
      if (known === undefined) added.push(this.#add(target));
      else {
        this.#tellProblems(target, known.target.problems);
        known.update(target);
      }
    }
    for (const record of this.all()) {
      if (record.target.provider === provider && !listed.has(record.target.id)) this.#drop(record.target.id);
    }
    // What an earlier run left in the cache and is not there any more.
    for (const entry of this.#options.cache.own()) {
      if (entry.id.startsWith(`${provider}:`) && !listed.has(entry.id)) this.#options.cache.remove(entry.id);
    }
    return added;
  }

  /** Takes the word that a target stopped. */
  takeStop(id: string): void {
    this.#stopped.set(id, this.#options.clock.monotonic());
    this.#drop(id);
  }

  /** Takes the word that a target started; what was said of an earlier stop does not count any more. */
  takeStart(id: string): void {
    this.#stopped.delete(id);
    this.#records.get(id)?.scrapeSoon();
  }

  #add(target: Target): TargetRecord {
    const record = new TargetRecord(target, this.#options.cache.get(target.id));
    this.#records.set(target.id, record);
    this.#tellProblems(target, []);
    return record;
  }

  #tellProblems(target: Target, told: readonly string[]): void {
    for (const problem of target.problems) {
      if (told.includes(problem)) continue;
      this.#options.logger.warn("a label cannot be used and is passed over", {
        target: target.title,
        problem,
      });
    }
  }

  #drop(id: string): void {
    this.#records.get(id)?.end();
    this.#records.delete(id);
    this.#options.cache.remove(id);
  }

  #forgetStopsBefore(moment: number): void {
    for (const [id, at] of this.#stopped) if (at < moment) this.#stopped.delete(id);
  }
}
