import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { cpuMs } from "./attempt.js";
import type { Fault } from "./fault.js";
import { type FromWorker, SharedInput, type ToWorker } from "./protocol.js";

/** What one input may use up. */
export interface InputLimits {
  /** Milliseconds of CPU time of the process. */
  readonly cpuMs: number;
  /** Milliseconds, whatever the CPU does: an input may also wait for ever. */
  readonly wallMs: number;
  /** Bytes of the process above what it had at the start. */
  readonly memoryBytes: number;
}

export const defaultInputLimits: InputLimits = { cpuMs: 5000, wallMs: 20_000, memoryBytes: 1.5 * 1024 ** 3 };
/** The heap of the thread, in MiB: what has more to keep ends it. */
const heapMb = 512;

/** Why a thread was ended. */
export interface Ended {
  readonly input: Buffer;
  readonly fault: Fault;
}

const lookMs = 100;

/**
 * A thread that runs what is tested, under watch: it is ended when one input takes too long, or memory grows
 * beyond the limit. Memory is that of the whole process, so one such thread at a time.
 */
export class WatchedWorker {
  readonly #current = new SharedInput();
  readonly #worker: Worker;
  readonly #limits: InputLimits;
  readonly #watch: NodeJS.Timeout;
  readonly #memoryAtStart = process.memoryUsage.rss();
  #busySince = { count: -1, cpu: 0, wall: 0 };
  #onMessage: ((message: FromWorker) => void) | undefined;
  #onEnd: ((ended: Ended) => void) | undefined;
  #working = false;

  private constructor(file: string, limits: InputLimits) {
    this.#limits = limits;
    this.#worker = new Worker(join(import.meta.dirname, "worker.js"), {
      workerData: { subject: file, shared: this.#current.shared },
      resourceLimits: { maxOldGenerationSizeMb: heapMb },
    });
    this.#worker.on("error", (error) => this.#end("died", error.message));
    this.#worker.on("message", (message: FromWorker) => this.#onMessage?.(message));
    this.#watch = setInterval(() => this.#look(), lookMs);
  }

  /** @param file the compiled module of the subject. */
  static async start(file: string, limits = defaultInputLimits): Promise<WatchedWorker> {
    const started = new WatchedWorker(file, limits);
    await new Promise<void>((resolve, reject) => {
      started.#onEnd = ({ fault }) => reject(new Error(fault.text));
      started.#onMessage = () => resolve();
    });
    return started;
  }

  /**
   * Runs work in the thread.
   *
   * @param onMessage called with each message of the thread; returns true when the work is done.
   * @returns why the thread was ended; undefined if it was not.
   */
  async run(work: ToWorker, onMessage: (message: FromWorker) => boolean): Promise<Ended | undefined> {
    this.#busySince = { count: this.#current.count, cpu: cpuMs(), wall: performance.now() };
    this.#working = true;
    try {
      return await new Promise<Ended | undefined>((resolve) => {
        this.#onEnd = resolve;
        this.#onMessage = (message) => {
          if (onMessage(message)) resolve(undefined);
        };
        this.#worker.postMessage(work);
      });
    } finally {
      this.#working = false;
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch);
    await this.#worker.terminate();
  }

  #look(): void {
    if (!this.#working) return;
    const { count } = this.#current;
    const now = { count, cpu: cpuMs(), wall: performance.now() };
    const { rss } = process.memoryUsage();
    if (rss - this.#memoryAtStart > this.#limits.memoryBytes) {
      this.#end("memory", `the process grew by ${Math.round((rss - this.#memoryAtStart) / 2 ** 20)} MiB`);
    } else if (count !== this.#busySince.count) {
      this.#busySince = now;
    } else if (now.cpu - this.#busySince.cpu > this.#limits.cpuMs) {
      this.#end("hang", `more than ${this.#limits.cpuMs} ms of CPU time`);
    } else if (now.wall - this.#busySince.wall > this.#limits.wallMs) {
      this.#end("hang", `more than ${this.#limits.wallMs} ms`);
    }
  }

  #end(kind: string, text: string): void {
    const input = this.#current.read();
    clearInterval(this.#watch);
    void this.#worker.terminate().then(() => this.#onEnd?.({ input, fault: { kind, text } }));
  }
}
