import { AppError } from "../../errors.js";
import type { MemoryBudget } from "../../memory-budget.js";
import type { CpuTime, Scheduler, Work } from "../../scheduler.js";

/** The maximum number of works that wait, in total and of one name. */
const maxWaiting = 256;
const maxWaitingOfName = 32;
/** Milliseconds that work waits at most. Until then it holds its scrapes, although the cache may have newer ones. */
const maxWaitingMs = 30_000;
/** Milliseconds between two checks whether memory has become free. */
const checkInterval = 250;
/** Work may take this share of the memory that other works leave, so that there is always some for smaller work. */
const shareOfFree = 3 / 4;

/** A response cannot be sent. `retryAfter`: seconds after which it may succeed; undefined if a retry is useless. */
export class UnavailableError extends AppError {
  constructor(
    message: string,
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** @param what the cause, for the client. */
export function overloaded(what: string): UnavailableError {
  return new UnavailableError(`${what}; try again`, 5);
}

/** Memory that work has reserved. */
export class Reservation {
  #bytes = 0;

  constructor(private readonly memory: MemoryBudget) {}

  /** Reserves memory up to `bytes` in total. @returns false if that does not fit. */
  reach(bytes: number): boolean {
    if (bytes <= this.#bytes) return true;
    if (!this.memory.take(bytes - this.#bytes)) return false;
    this.#bytes = bytes;
    return true;
  }

  release(): void {
    this.memory.give(this.#bytes);
    this.#bytes = 0;
  }
}

/** What work uses. */
export interface Resources {
  readonly memory: Reservation;
  readonly cpu: CpuTime;
}

export interface WorkRequest<T> {
  /** Works of one name run one after the other; those of different names get the same share of the CPU. */
  readonly name: string;
  /** How much memory the work needs, with its result. */
  readonly bytes: number;
  readonly start: (resources: Resources) => Work<T>;
}

/** Work for one client or several. */
export class QueuedWork<T> {
  readonly waitingSince = performance.now();
  readonly resources: Resources;
  /** Settled when the work has ended, in whatever way. */
  readonly result: Promise<T>;
  readonly #ended = new AbortController();
  readonly #resolve: (value: T) => void;
  readonly #reject: (reason: unknown) => void;
  #clients = 0;

  constructor(
    readonly request: WorkRequest<T>,
    memory: MemoryBudget,
  ) {
    this.resources = { memory: new Reservation(memory), cpu: { spent: 0 } };
    let [resolve, reject]: [(value: T) => void, (reason: unknown) => void] = [() => {}, () => {}];
    this.result = new Promise((...functions) => {
      [resolve, reject] = functions;
    });
    [this.#resolve, this.#reject] = [resolve, reject];
    // Its clients may all have disconnected.
    this.result.catch(() => undefined);
  }

  /** The result for one more client. The work is stopped when the last one has disconnected. */
  resultFor(client: AbortSignal): Promise<T> {
    this.#clients++;
    const leave = () => {
      if (--this.#clients === 0) this.stop(client.reason);
    };
    if (client.aborted) leave();
    else client.addEventListener("abort", leave, { once: true });
    return this.result;
  }

  /** Runs when the work has ended, in whatever way. */
  onEnd(listener: () => void): void {
    this.result.then(listener, listener);
  }

  start(scheduler: Scheduler): void {
    const work = this.request.start(this.resources);
    scheduler.run(work, this.#ended.signal, this.resources.cpu).then(this.#resolve, this.#reject);
  }

  stop(reason: unknown): void {
    this.#reject(reason);
    this.#ended.abort(reason);
  }
}

/**
 * The works that prepare responses. Their number and their memory have limits: the smallest ones start first, others
 * wait for memory.
 */
export class WorkQueue {
  readonly #waiting = new Set<QueuedWork<unknown>>();
  /** By name. */
  readonly #running = new Map<string, QueuedWork<unknown>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly memory: MemoryBudget,
    private readonly scheduler: Scheduler,
  ) {}

  /** Whether work that needs this memory can run at all. */
  canRun(bytes: number): boolean {
    return bytes <= this.memory.maxBytes * shareOfFree;
  }

  /** Adds work for a first client, who joins with `resultFor`. @throws UnavailableError if too many works wait. */
  add<T>(request: WorkRequest<T>): QueuedWork<T> {
    const ofName = [...this.#waiting].filter((other) => other.request.name === request.name);
    if (this.#waiting.size >= maxWaiting || ofName.length >= maxWaitingOfName) {
      throw overloaded("too many responses are being prepared");
    }
    const work = new QueuedWork(request, this.memory);
    this.#waiting.add(work as QueuedWork<unknown>);
    work.onEnd(() => this.#remove(work as QueuedWork<unknown>));
    this.#timer ??= setInterval(() => this.#check(), checkInterval).unref();
    this.#startNext();
    return work;
  }

  #startNext(): void {
    const bySize = [...this.#waiting].sort((one, other) => one.request.bytes - other.request.bytes);
    for (const work of bySize) {
      const { name, bytes } = work.request;
      if (this.#running.has(name)) continue;
      const reserved = [...this.#running.values()].reduce((sum, { request }) => sum + request.bytes, 0);
      const fits = bytes <= (this.memory.maxBytes - reserved) * shareOfFree;
      if (!fits || !work.resources.memory.reach(bytes)) return;
      this.#waiting.delete(work);
      this.#running.set(name, work);
      work.start(this.scheduler);
    }
  }

  #remove(work: QueuedWork<unknown>): void {
    const { name } = work.request;
    work.resources.memory.release();
    this.#waiting.delete(work);
    if (this.#running.get(name) === work) this.#running.delete(name);
    this.#startNext();
  }

  /** Memory may have become free, or will not in time. */
  #check(): void {
    const now = performance.now();
    for (const work of this.#waiting) {
      if (now - work.waitingSince > maxWaitingMs) work.stop(overloaded("no memory to prepare the response"));
    }
    this.#startNext();
    if (this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
