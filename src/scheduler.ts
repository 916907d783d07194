import { AppError } from "./errors.js";
import type { Steps } from "./exposition/steps.js";

/**
 * Milliseconds of work per pass of the event loop, for all tasks together. Short, because libuv accepts only one
 * connection per pass.
 */
const sliceMs = 1;
/** Milliseconds after which a slice is due, even if connections arrive. */
const maxDeferMs = 20;

/** Work in steps of a few milliseconds at most. If a step yields a promise, the next step waits for it. */
export type Work<T> = Generator<Promise<unknown> | undefined, T, unknown>;

/** Waits for a promise within work. */
export function* wait<T>(promise: Promise<T>): Work<T> {
  return (yield promise) as T;
}

/** The CPU time of a task, in milliseconds. It is updated after each slice. */
export interface CpuTime {
  spent: number;
}

/** Steps took more CPU time than they may. */
export class CpuLimitError extends AppError {}

/** Runs steps. @throws CpuLimitError once they have taken more than `milliseconds` of the task's CPU time. */
export function* limitCpu<T>(steps: Steps<T>, cpu: CpuTime, milliseconds: number): Steps<T> {
  const limit = cpu.spent + milliseconds;
  try {
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
      if (cpu.spent > limit) {
        throw new CpuLimitError(`takes more than ${milliseconds / 1000} s of CPU time`);
      }
      yield;
    }
  } finally {
    steps.return(undefined as never);
  }
}

/** Returns a function that returns the CPU milliseconds since now: those of the process, but not more than have passed. */
function measureCpu(): () => number {
  const [begun, cpu] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return Math.min((user + system) / 1000, performance.now() - begun);
  };
}

interface Task {
  readonly work: Work<unknown>;
  readonly cpu: CpuTime;
  /** Runs the next step with the result of the last promise. */
  next: () => IteratorResult<Promise<unknown> | undefined>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
  done: boolean;
}

/**
 * Runs work that takes long, such as merging a hostile exposition, so that everything else can run in between: all
 * tasks share one slice of 1 ms per pass of the event loop, in turns.
 */
export class Scheduler {
  /** The tasks that can continue. The first one is next. */
  readonly #ready: Task[] = [];
  #scheduled = false;
  #deferred = false;
  #lastSlice = 0;

  /** Leaves out the next slice, so that further connections are accepted at once; but at most for 20 ms. */
  defer(): void {
    this.#deferred = true;
  }

  /**
   * Runs work to its end.
   *
   * @param cpu receives the CPU time of the work.
   * @returns what the work returns; rejects with what it throws, or with the reason of the signal.
   */
  run<T>(work: Work<T>, signal?: AbortSignal, cpu: CpuTime = { spent: 0 }): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = resolve as (value: unknown) => void;
      const task: Task = { work, cpu, next: () => work.next(), resolve: settle, reject, done: false };
      signal?.addEventListener("abort", () => this.#abort(task, signal), { once: true });
      this.#add(task);
    });
  }

  #abort(task: Task, { reason }: AbortSignal): void {
    if (task.done) return;
    task.done = true;
    task.work.return(undefined);
    task.reject(reason);
  }

  #add(task: Task): void {
    if (task.done) return;
    this.#ready.push(task);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#ready.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => this.#pass());
  }

  /** Runs tasks until the slice is over. The one that is interrupted is the last of the next passes. */
  #pass(): void {
    this.#scheduled = false;
    const now = performance.now();
    const isDeferred = this.#deferred && now < this.#lastSlice + maxDeferMs;
    this.#deferred = false;
    if (!isDeferred) this.#runSlice(now);
    this.#schedule();
  }

  #runSlice(now: number): void {
    this.#lastSlice = now;
    const end = now + sliceMs;
    for (let task = this.#ready.shift(); task !== undefined; task = this.#ready.shift()) {
      if (!task.done) this.#runUntil(end, task);
      if (performance.now() >= end) break;
    }
  }

  #runUntil(end: number, task: Task): void {
    const spent = measureCpu();
    try {
      if (this.#stepUntil(end, task)) this.#ready.push(task);
    } catch (error) {
      task.done = true;
      task.reject(error);
    } finally {
      task.cpu.spent += spent();
    }
  }

  /** @returns whether the task can continue at once. */
  #stepUntil(end: number, task: Task): boolean {
    do {
      const { done, value } = task.next();
      task.next = () => task.work.next();
      if (done) {
        task.done = true;
        task.resolve(value);
        return false;
      }
      if (value !== undefined) {
        this.#park(task, value);
        return false;
      }
    } while (performance.now() < end);
    return true;
  }

  /** Continues the task when the promise is settled. */
  #park(task: Task, promise: Promise<unknown>): void {
    promise.then(
      (value) => this.#continue(task, () => task.work.next(value)),
      (error: unknown) => this.#continue(task, () => task.work.throw(error)),
    );
  }

  #continue(task: Task, next: Task["next"]): void {
    task.next = next;
    this.#add(task);
  }
}
