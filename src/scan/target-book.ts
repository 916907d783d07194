import type { Publisher } from "../cache/publisher.js";
import type { Logger } from "../logging.js";
import type { Target } from "../model/target.js";
import { TargetRecord } from "./target-record.js";

/**
 * Milliseconds for which a stop event has precedence over lists that still contain the target: the engine reports the
 * end of a container up to some tenths of a second before its list drops it.
 */
const stopHolds = 10_000;

/** The targets of this node, from the lists and events of the providers. A list that failed never gets here. */
export class TargetBook {
  readonly #records = new Map<string, TargetRecord>();
  /** The time of the last stop event, by target id, until a start event. */
  readonly #stopped = new Map<string, number>();

  /** @param interval seconds between cycles. */
  constructor(
    private readonly publisher: Publisher,
    private readonly logger: Logger,
    private readonly interval: number,
  ) {}

  get size(): number {
    return this.#records.size;
  }

  all(): TargetRecord[] {
    return [...this.#records.values()];
  }

  get(id: string): TargetRecord | undefined {
    return this.#records.get(id);
  }

  /**
   * Replaces the targets of a provider.
   *
   * @param begun when the list was requested, on the monotonic clock.
   * @returns the new records.
   */
  takeList(provider: string, targets: readonly Target[], begun: number): TargetRecord[] {
    for (const [id, at] of this.#stopped) if (at < begun - stopHolds) this.#stopped.delete(id);
    const added: TargetRecord[] = [];
    const listed = new Set<string>();
    for (const target of targets) {
      if (this.#stopped.has(target.id)) continue;
      listed.add(target.id);
      const known = this.#records.get(target.id);
      if (known === undefined) added.push(this.#add(target));
      else {
        this.#logProblems(target, known.target.problems);
        known.update(target);
      }
    }
    for (const record of this.all()) {
      if (record.target.provider === provider && !listed.has(record.target.id)) this.#drop(record.target.id);
    }
    const records = this.all().filter(({ target }) => target.provider === provider);
    this.publisher.listed(
      provider,
      records.map((record) => record.status()),
    );
    return added;
  }

  /** Handles a stop event. @param now milliseconds on the monotonic clock. */
  takeStop(id: string, now: number): void {
    this.#stopped.set(id, now);
    this.#drop(id);
  }

  /** Handles a start event. */
  takeStart(id: string): void {
    this.#stopped.delete(id);
    this.#records.get(id)?.scrapeSoon();
  }

  #add(target: Target): TargetRecord {
    const record = new TargetRecord(target, this.publisher.lastScrape(target.id), this.interval);
    this.#records.set(target.id, record);
    this.#logProblems(target, []);
    return record;
  }

  #logProblems(target: Target, logged: readonly string[]): void {
    for (const problem of target.problems) {
      if (logged.includes(problem)) continue;
      this.logger.warn("invalid label ignored", { target: target.title, problem });
    }
  }

  #drop(id: string): void {
    this.#records.get(id)?.ending.abort();
    this.#records.delete(id);
    this.publisher.ended(id);
  }
}
