import type { Explored } from "./explore.js";
import type { Fault } from "./fault.js";

/** Requests to the thread that runs the subject. */
export type ToWorker =
  | {
      readonly kind: "explore";
      readonly seed: number;
      readonly milliseconds: number;
      readonly corpus: readonly Uint8Array[];
    }
  | { readonly kind: "once"; readonly input: Uint8Array };

export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "interesting"; readonly input: Uint8Array }
  | { readonly kind: "failed"; readonly input: Uint8Array; readonly fault: Fault }
  | { readonly kind: "explored"; readonly explored: Explored }
  | { readonly kind: "checked"; readonly fault?: Fault };

const headerBytes = 8;

/** The input that is being tried, in memory that two threads share, and how many there were. */
export class SharedInput {
  static readonly maxBytes = 1024 * 1024;
  readonly #header: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(shared = new SharedArrayBuffer(headerBytes + SharedInput.maxBytes)) {
    this.shared = shared;
    this.#header = new Int32Array(shared, 0, 2);
    this.#bytes = new Uint8Array(shared, headerBytes);
  }

  readonly shared: SharedArrayBuffer;

  /** Rises with every input. */
  get count(): number {
    return Atomics.load(this.#header, 0);
  }

  write(input: Uint8Array): void {
    this.#bytes.set(input.subarray(0, SharedInput.maxBytes));
    Atomics.store(this.#header, 1, Math.min(input.length, SharedInput.maxBytes));
    Atomics.add(this.#header, 0, 1);
  }

  read(): Buffer {
    return Buffer.from(this.#bytes.slice(0, Atomics.load(this.#header, 1)));
  }
}
