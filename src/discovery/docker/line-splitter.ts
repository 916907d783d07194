/** Stands for a line that was longer than allowed. */
export const lineTooLong = Symbol("line too long");

/**
 * Cuts a byte stream into lines, wherever its chunks begin and end. Empty lines are left out. It never holds
 * more than one line of the allowed length; a longer one is thrown away and told as `lineTooLong`.
 */
export class LineSplitter {
  private pieces: Buffer[] = [];
  private held = 0;
  private overflown = false;

  /** @param maxBytes longest line that is passed on, without its line end. */
  constructor(private readonly maxBytes: number) {}

  /** Takes the next bytes; returns the lines that they complete, in order. */
  push(chunk: Buffer): (string | typeof lineTooLong)[] {
    const lines: (string | typeof lineTooLong)[] = [];
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      this.hold(chunk.subarray(start, end));
      const line = this.take();
      if (line !== "") lines.push(line);
      start = end + 1;
    }
    this.hold(chunk.subarray(start));
    return lines;
  }

  private hold(piece: Buffer): void {
    if (this.overflown || this.held + piece.length > this.maxBytes) {
      this.overflown = true;
      this.pieces = [];
      return;
    }
    this.held += piece.length;
    // A copy: a slice would keep the whole chunk alive.
    if (piece.length > 0) this.pieces.push(Buffer.from(piece));
  }

  private take(): string | typeof lineTooLong {
    const line = this.overflown ? lineTooLong : Buffer.concat(this.pieces).toString("utf8").trim();
    this.pieces = [];
    this.held = 0;
    this.overflown = false;
    return line;
  }
}
