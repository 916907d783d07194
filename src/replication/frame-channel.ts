import type { Duplex } from "node:stream";
import { encodeFrames, type Frame, FrameDecoder, type FrameLimits, type OutgoingFrame } from "./frames.js";
import { PeerError } from "./peer-error.js";
import type { ReceiveBudget } from "./receive-budget.js";

export interface FrameChannelOptions {
  readonly limits: FrameLimits;
  /** Milliseconds for one frame, from its first byte to its last. */
  readonly frameMs: number;
  /** Milliseconds that a slice of what is sent may take: who does not read for so long is gone, or means no good. */
  readonly sendMs: number;
  /** What all channels together may hold. */
  readonly budget: ReceiveBudget;
  /**
   * Aborted when the connection is gone, perhaps with the PeerError that tells why. A stream that nobody reads right
   * now does not tell it.
   */
  readonly signal: AbortSignal;
  /** Told what comes and goes. */
  readonly onBytes: (direction: "in" | "out", bytes: number) => void;
}

/** Frames, and bytes of frames, that wait to be read before the sender has to wait. */
const framesWaiting = 4;
const bytesWaiting = 2 * 1024 * 1024;
/** What is sent in one go. */
const sliceBytes = 256 * 1024;

/** A stream of bytes as a stream of frames, both ways, with back pressure. Whatever fails it ends it. */
export class FrameChannel {
  readonly #stream: Duplex;
  readonly #options: FrameChannelOptions;
  readonly #decoder: FrameDecoder;
  readonly #frames: Frame[] = [];
  readonly #sending = new Set<(reason: PeerError) => void>();
  #failure: PeerError | undefined;
  #waiting: (() => void) | undefined;
  #lastByteAt = performance.now();
  #waitingBytes = 0;
  /** Bytes of the budget that this channel has. */
  #held = 0;
  #frameTimer: NodeJS.Timeout | undefined;

  constructor(stream: Duplex, options: FrameChannelOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#decoder = new FrameDecoder(options.limits);
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    const ended = () => this.fail(new PeerError("closed", "it closed the connection"));
    stream.on("end", ended);
    stream.on("close", ended);
    stream.on("error", ended);
    const { signal } = options;
    const gone = () => (signal.reason instanceof PeerError ? this.fail(signal.reason) : ended());
    signal.addEventListener("abort", gone, { once: true });
    if (signal.aborted) gone();
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Sends frames in one go; resolves when there is room for more. @throws PeerError */
  async send(...frames: OutgoingFrame[]): Promise<void> {
    const bytes = encodeFrames(frames);
    for (let at = 0; at < bytes.length; at += sliceBytes) {
      await this.#write(bytes.subarray(at, at + sliceBytes));
    }
  }

  /**
   * The next frame.
   *
   * @param idleMs fails where the other end sends nothing for so long; unless told it may take its time.
   * @throws PeerError
   */
  async receive(idleMs = Number.POSITIVE_INFINITY): Promise<Frame> {
    this.#lastByteAt = performance.now();
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) {
        this.#waitingBytes -= frame.payload.length;
        this.#settle();
        return frame;
      }
      if (this.#failure !== undefined) throw this.#failure;
      const left = this.#lastByteAt + idleMs - performance.now();
      if (left <= 0) {
        this.fail(new PeerError("timeout", `it sent nothing for ${idleMs / 1000} s`));
        continue;
      }
      await this.#change(left);
    }
  }

  /** Ends the channel; whoever reads or writes gets the reason. The first reason counts. */
  fail(error: PeerError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    clearTimeout(this.#frameTimer);
    this.#options.budget.change(-this.#held);
    this.#held = 0;
    this.#waiting?.();
    for (const reject of this.#sending) reject(error);
    // What still comes is dropped: a stream that is paused would not even tell its end.
    this.#stream.resume();
    this.#stream.destroy();
  }

  async #write(slice: Buffer): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const { sendMs, onBytes } = this.#options;
    onBytes("out", slice.length);
    const timer = setTimeout(
      () => this.fail(new PeerError("timeout", `it takes nothing for ${sendMs / 1000} s`)),
      sendMs,
    );
    let failed: ((reason: PeerError) => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        failed = reject;
        this.#sending.add(reject);
        this.#stream.write(slice, (error) => {
          if (error) this.fail(new PeerError("closed", "it closed the connection", { cause: error }));
          else resolve();
        });
      });
    } finally {
      clearTimeout(timer);
      if (failed !== undefined) this.#sending.delete(failed);
    }
  }

  #take(chunk: Buffer): void {
    this.#lastByteAt = performance.now();
    this.#options.onBytes("in", chunk.length);
    if (this.#failure !== undefined) return;
    try {
      const frames = this.#decoder.push(chunk);
      this.#frames.push(...frames);
      for (const { payload } of frames) this.#waitingBytes += payload.length;
      if (frames.length > 0) this.#endOfFrame();
    } catch (error) {
      this.fail(error as PeerError);
    }
    if (!this.#settle()) {
      this.fail(new PeerError("limit", "the peers send more at once than there is memory for"));
    }
    if (this.#frames.length > 0) this.#waiting?.();
  }

  /** Has the sender wait or go on, and the budget know. False where there is no room for what came. */
  #settle(): boolean {
    if (this.#failure !== undefined) return true;
    if (this.#frames.length >= framesWaiting || this.#waitingBytes >= bytesWaiting) {
      this.#stream.pause();
      // The time that the sender has to wait is not its own.
      this.#endOfFrame();
    } else {
      if (this.#stream.isPaused()) this.#stream.resume();
      if (this.#decoder.pendingBytes > 0) this.#beginOfFrame();
    }
    const held = this.#waitingBytes + this.#decoder.pendingBytes;
    const change = held - this.#held;
    this.#held = held;
    return this.#options.budget.change(change);
  }

  /** The rest of a frame has to come in time. */
  #beginOfFrame(): void {
    const { frameMs } = this.#options;
    this.#frameTimer ??= setTimeout(
      () => this.fail(new PeerError("timeout", `it took over ${frameMs / 1000} s for a frame`)),
      frameMs,
    ).unref();
  }

  #endOfFrame(): void {
    clearTimeout(this.#frameTimer);
    this.#frameTimer = undefined;
  }

  /** Waits until there is a frame or a failure, or for some milliseconds. */
  #change(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = Number.isFinite(milliseconds)
        ? setTimeout(() => this.#waiting?.(), milliseconds)
        : undefined;
      this.#waiting = () => {
        clearTimeout(timer);
        this.#waiting = undefined;
        resolve();
      };
    });
  }
}
