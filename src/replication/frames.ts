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
/** What is set aside at first for a frame that has begun; more only for bytes that have come. */
const firstBytes = 32 * 1024;

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

/**
 * Puts frames together again, however the bytes are cut. It holds at most twice what came of one frame, also where
 * that comes a byte at a time.
 */
export class FrameDecoder {
  readonly #limits: FrameLimits;
  /** What came of the frame that has begun, its header included, is the first `#size` bytes of this. */
  #partial = Buffer.alloc(0);
  #size = 0;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** How many bytes came of a frame that is not whole yet. */
  get pendingBytes(): number {
    return this.#size;
  }

  /**
   * Takes the next bytes and gives the frames that they complete.
   *
   * @throws PeerError `protocol` for an unknown kind, `limit` for a frame that says that it is too long.
   */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#size === 0) {
        const length = this.#frameLength(rest);
        if (length !== undefined && rest.length >= length) {
          frames.push(frameOf(rest.subarray(0, length)));
          rest = rest.subarray(length);
          continue;
        }
      }
      rest = this.#keep(rest);
      const length = this.#frameLength(this.#partial.subarray(0, this.#size));
      if (length !== undefined && this.#size === length) {
        frames.push(frameOf(this.#partial.subarray(0, length)));
        this.#partial = Buffer.alloc(0);
        this.#size = 0;
      }
    }
    return frames;
  }

  /** Keeps what belongs to the frame that has begun; gives what is left. */
  #keep(bytes: Buffer): Buffer {
    const header = this.#size < headerBytes;
    const needed = header ? headerBytes : (this.#frameLength(this.#partial) ?? headerBytes);
    const part = bytes.subarray(0, needed - this.#size);
    const size = this.#size + part.length;
    if (size > this.#partial.length) {
      const grown = Buffer.allocUnsafe(Math.max(size, Math.min(2 * size, needed), header ? firstBytes : 0));
      this.#partial.copy(grown, 0, 0, this.#size);
      this.#partial = grown;
    }
    part.copy(this.#partial, this.#size);
    this.#size = size;
    return bytes.subarray(part.length);
  }

  /** The length of a frame with its header; undefined where that has not come yet. */
  #frameLength(bytes: Buffer): number | undefined {
    if (bytes.length === 0) return undefined;
    const kind = kindOf(bytes);
    if (bytes.length < headerBytes) return undefined;
    const length = bytes.readUInt32BE(1);
    if (length > this.#limits[kind]) {
      throw new PeerError(
        "limit",
        `it sends a frame of ${length} bytes: at most ${this.#limits[kind]} are taken`,
      );
    }
    return headerBytes + length;
  }
}

function kindOf(bytes: Buffer): FrameKind {
  const kind = String.fromCharCode(bytes.readUInt8());
  if (kind !== "m" && kind !== "t") throw new PeerError("protocol", "it sends frames of an unknown kind");
  return kind;
}

function frameOf(bytes: Buffer): Frame {
  return { kind: kindOf(bytes), payload: bytes.subarray(headerBytes) };
}
