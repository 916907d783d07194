import { PeerError } from "./peer-error.js";

/**
 * What goes over the channel, both ways: frames of a letter for the kind, a length (32 bits, big endian), and that
 * many bytes. `m` is a control message (see messages.ts), `t` a tar archive of entries (see batch.ts).
 */
export interface Frame {
  readonly kind: FrameKind;
  readonly payload: Buffer;
}

export type FrameKind = "m" | "t";

/** The longest payload of each kind, in bytes. */
export type FrameLimits = Readonly<Record<FrameKind, number>>;

const headerBytes = 5;

/** A frame to be sent, whose payload may be in pieces. */
export interface OutgoingFrame {
  readonly kind: FrameKind;
  readonly payload: Buffer | readonly Buffer[];
}

/** Frames as they are sent. */
export function encodeFrames(frames: readonly OutgoingFrame[]): Buffer {
  return Buffer.concat(
    frames.flatMap(({ kind, payload }) => {
      const pieces = Buffer.isBuffer(payload) ? [payload] : payload;
      const header = Buffer.allocUnsafe(headerBytes);
      header.writeUInt8(kind.charCodeAt(0));
      header.writeUInt32BE(
        pieces.reduce((sum, { length }) => sum + length, 0),
        1,
      );
      return [header, ...pieces];
    }),
  );
}

/** Puts frames together again, however the bytes are cut. It holds no more than what came of one frame. */
export class FrameDecoder {
  readonly #limits: FrameLimits;
  #chunks: Buffer[] = [];
  #size = 0;
  #needed = headerBytes;
  #kind: FrameKind | undefined;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** Whether a frame has begun and is not whole. */
  get inFrame(): boolean {
    return this.#size > 0 || this.#kind !== undefined;
  }

  /**
   * Takes the next bytes and gives the frames that they complete.
   *
   * @throws PeerError `protocol` for an unknown kind, `limit` for a frame that says that it is too long.
   */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    this.#add(chunk);
    while (this.#size >= this.#needed) {
      const part = this.#take(this.#needed);
      if (this.#kind === undefined) this.#begin(part);
      else {
        frames.push({ kind: this.#kind, payload: part });
        this.#kind = undefined;
        this.#needed = headerBytes;
      }
    }
    return frames;
  }

  #begin(header: Buffer): void {
    const kind = String.fromCharCode(header.readUInt8());
    if (kind !== "m" && kind !== "t") throw new PeerError("protocol", "it sends frames of an unknown kind");
    const length = header.readUInt32BE(1);
    if (length > this.#limits[kind]) {
      throw new PeerError(
        "limit",
        `it sends a frame of ${length} bytes: at most ${this.#limits[kind]} are taken`,
      );
    }
    this.#kind = kind;
    this.#needed = length;
  }

  #add(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  #take(length: number): Buffer {
    const [first] = this.#chunks;
    const all = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    this.#size -= length;
    this.#chunks = this.#size === 0 ? [] : [all.subarray(length)];
    return all.subarray(0, length);
  }
}
