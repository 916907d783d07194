/** Replaces a line that exceeded the limit. */
export const lineTooLong = Symbol("line too long");

/**
 * Splits a byte stream into lines, whatever its chunks. Skips empty lines. Buffers at most one line within the limit;
 * replaces a longer line with `lineTooLong`.
 */
export class LineSplitter {
  private pieces: Buffer[] = [];
  private length = 0;
  private overflown = false;

  /** @param maxBytes maximum length of a line, without its line break. */
  constructor(private readonly maxBytes: number) {}

  /** Appends a chunk; returns the lines that it completes, in order. */
  push(chunk: Buffer): (string | typeof lineTooLong)[] {
    const lines: (string | typeof lineTooLong)[] = [];
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      this.append(chunk.subarray(start, end));
      const line = this.take();
      if (line !== "") lines.push(line);
      start = end + 1;
    }
    this.append(chunk.subarray(start));
    return lines;
  }

  private append(piece: Buffer): void {
    if (this.overflown || this.length + piece.length > this.maxBytes) {
      this.overflown = true;
      this.pieces = [];
      return;
    }
    this.length += piece.length;
    // Copied, because a slice would keep the whole chunk in memory.
    if (piece.length > 0) this.pieces.push(Buffer.from(piece));
  }

  private take(): string | typeof lineTooLong {
    const line = this.overflown ? lineTooLong : Buffer.concat(this.pieces).toString("utf8").trim();
    this.pieces = [];
    this.length = 0;
    this.overflown = false;
    return line;
  }
}
