import { once } from "node:events";
import { constants, createGzip } from "node:zlib";
import { type Work, wait } from "../../scheduler.js";
import { overloaded, type Reservation } from "./work-queue.js";

/** Pieces are collected up to this size: each call of zlib is a task of the thread pool. */
const batchBytes = 512 * 1024;
const options = { level: constants.Z_BEST_SPEED, chunkSize: 64 * 1024 };

/** Compresses the body of a response, piece by piece, and collects the compressed bytes. */
export class GzipCollector {
  /** Uncompressed bytes. */
  size = 0;
  readonly #gzip = createGzip(options);
  readonly #collected: Buffer[] = [];
  #collectedBytes = 0;
  #batch: Buffer[] = [];
  #batchBytes = 0;
  #written: Promise<void> = Promise.resolve();

  /** @param reservation has `reserved` bytes for everything except the compressed bytes. */
  constructor(
    private readonly reservation: Reservation,
    private readonly reserved: number,
  ) {
    this.#gzip.on("data", (chunk: Buffer) => {
      this.#collected.push(chunk);
      this.#collectedBytes += chunk.length;
    });
  }

  /** Adds bytes. They are compressed while other steps run. @throws UnavailableError if the memory does not suffice. */
  *add(bytes: Buffer): Work<void> {
    this.size += bytes.length;
    this.#batch.push(bytes);
    this.#batchBytes += bytes.length;
    if (this.#batchBytes >= batchBytes) yield* this.#write();
  }

  /** The compressed bytes. */
  *end(): Work<Buffer> {
    yield* this.#write();
    yield* wait(this.#written);
    const ended = once(this.#gzip, "end");
    this.#gzip.end();
    yield* wait(ended);
    this.#reserve();
    return Buffer.concat(this.#collected);
  }

  /** Releases what zlib holds. */
  close(): void {
    this.#gzip.destroy();
  }

  *#write(): Work<void> {
    yield* wait(this.#written);
    this.#reserve();
    const batch = this.#batch.length === 1 ? this.#batch[0]! : Buffer.concat(this.#batch);
    this.#batch = [];
    this.#batchBytes = 0;
    this.#written = new Promise((resolve, reject) => {
      this.#gzip.write(batch, (error) => (error ? reject(error) : resolve()));
    });
    // Nobody waits for it if the work is stopped.
    this.#written.catch(() => undefined);
  }

  /** The bytes are needed twice when they are joined. */
  #reserve(): void {
    if (this.reservation.reach(this.reserved + 2 * this.#collectedBytes)) return;
    throw overloaded("no memory for the response");
  }
}
