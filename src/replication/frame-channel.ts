import type { Duplex } from "node:stream";
import { encodeFrames, type Frame, FrameDecoder, type FrameLimits, type OutgoingFrame } from "./frames.js";
import { PeerError } from "./peer-error.js";

/** Frames that wait to be read before the sender has to wait. */
const framesWaiting = 4;
/** Milliseconds that one write may take: who does not read for so long is gone, or means no good. */
const sendMs = 30_000;
/** Beyond what SSH's window allows: the other end does not keep to it. */
const maxBufferedBytes = 16 * 1024 * 1024;

/** A stream of bytes as a stream of frames, both ways, with back pressure. Whatever fails it ends it. */
export class FrameChannel {
  readonly #stream: Duplex;
  readonly #decoder: FrameDecoder;
  readonly #frames: Frame[] = [];
  #failure: PeerError | undefined;
  #waiting: (() => void) | undefined;
  #lastByteAt = performance.now();

  readonly #onBytes: (direction: "in" | "out", bytes: number) => void;

  /** @param onBytes told what comes and goes. */
  constructor(
    stream: Duplex,
    limits: FrameLimits,
    onBytes: (direction: "in" | "out", bytes: number) => void = () => undefined,
  ) {
    this.#onBytes = onBytes;
    this.#stream = stream;
    this.#decoder = new FrameDecoder(limits);
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    const ended = () => this.fail(new PeerError("closed", "it closed the connection"));
    stream.on("end", ended);
    stream.on("close", ended);
    stream.on("error", ended);
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Sends frames in one go; resolves when there is room for more. @throws PeerError */
  async send(...frames: OutgoingFrame[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const bytes = encodeFrames(frames);
    this.#onBytes("out", bytes.length);
    await new Promise<void>((resolve, reject) => {
      const closed = () => {
        clearTimeout(timer);
        reject(this.#failure ?? new PeerError("closed", "it closed the connection"));
      };
      const timer = setTimeout(
        () => this.fail(new PeerError("timeout", `it takes nothing for ${sendMs / 1000} s`)),
        sendMs,
      );
      this.#stream.once("close", closed);
      this.#stream.write(bytes, (error) => {
        clearTimeout(timer);
        this.#stream.off("close", closed);
        if (error) closed();
        else resolve();
      });
    });
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
        if (this.#frames.length < framesWaiting) this.#stream.resume();
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
    this.#failure ??= error;
    this.#waiting?.();
    this.#stream.destroy();
  }

  #take(chunk: Buffer): void {
    this.#lastByteAt = performance.now();
    this.#onBytes("in", chunk.length);
    if (this.#failure !== undefined) return;
    try {
      this.#frames.push(...this.#decoder.push(chunk));
    } catch (error) {
      this.fail(error as PeerError);
      return;
    }
    if (this.#stream.readableLength > maxBufferedBytes) {
      this.fail(new PeerError("limit", "it sends more than the window of the channel allows"));
    }
    if (this.#frames.length >= framesWaiting) this.#stream.pause();
    if (this.#frames.length > 0) this.#waiting?.();
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
