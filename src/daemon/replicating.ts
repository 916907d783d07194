import { describeError } from "../errors.js";
import type { Logger } from "../logging.js";
import type { ReplicationView } from "../model/replication-status.js";
import type { Replication } from "../replication/replication.js";

export interface ReplicatingOptions {
  /** Starts replication; undefined where nothing asks for it. Rejects where it cannot be told or started yet. */
  readonly start: (signal: AbortSignal) => Promise<Replication | undefined>;
  /** Whether a failure may pass by itself, as when the engine is away. */
  readonly mayPass: (error: unknown) => boolean;
  readonly logger: Logger;
}

/** Replication from the first moment that it can be started, which may come after the start of the program. */
export class Replicating {
  readonly #options: ReplicatingOptions;
  #replication: Replication | undefined;
  #decided = false;
  #tried = false;
  #starting: Promise<void> | undefined;
  #told: string | undefined;
  readonly #stopping = new AbortController();

  constructor(options: ReplicatingOptions) {
    this.#options = options;
  }

  get current(): Replication | undefined {
    return this.#replication;
  }

  /** Whether the first attempt to sync is made, as far as it is known that there is anything to sync. */
  get ready(): boolean {
    return this.#tried && (this.#replication?.attempted ?? true);
  }

  /** How it stands, or why there is none. */
  view(): ReplicationView {
    if (this.#replication !== undefined) return { status: this.#replication.status() };
    if (!this.#decided)
      return {
        status: undefined,
        reason: `not started yet${this.#told === undefined ? "" : `: ${this.#told}`}`,
      };
    return {
      status: undefined,
      reason:
        "SSHPASS and PEERS are not set, and this is no task of a Swarm service: this node serves what it scrapes itself",
    };
  }

  /** Tries to start. @throws what cannot pass by itself. */
  start(): Promise<void> {
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  /** Does a cycle, or tries to start where that failed so far. Does not wait and never fails. */
  afterScan(): void {
    if (this.#decided) return void this.#replication?.cycle();
    if (this.#starting !== undefined) return;
    this.start().then(
      () => void this.#replication?.cycle(),
      (error) => this.#tell(error),
    );
  }

  /** Ends it, or the attempt to start it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#starting?.catch(() => undefined);
    this.#decided = true;
    await this.#replication?.stop();
  }

  async #start(): Promise<void> {
    try {
      this.#replication = await this.#options.start(this.#stopping.signal);
      this.#decided = true;
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      if (!this.#options.mayPass(error)) throw error;
      this.#tell(error);
    } finally {
      this.#tried = true;
    }
  }

  #tell(error: unknown): void {
    const reason = describeError(error);
    if (reason !== this.#told) this.#options.logger.error("no replication yet", { error: reason });
    this.#told = reason;
  }
}
