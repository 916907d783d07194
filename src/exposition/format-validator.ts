import { isUtf8 } from "node:buffer";
import { asBuffer, LINE_FEED } from "./bytes.js";
import type { Format } from "./format.js";
import { LineRest } from "./line-rest.js";
import { OpenMetricsScanner } from "./openmetrics-scanner.js";
import { INCOMPLETE, type RecordScanner } from "./record-scanner.js";
import { TextScanner } from "./text-scanner.js";
import type { Validator, Verdict } from "./verdict.js";

/** Longer lines are refused: a line is kept in memory until it is whole. */
export const maxLineBytes = 16 * 1024 * 1024;

const tooLong = `a line longer than ${maxLineBytes} bytes`;
const lineFeed = Buffer.from("\n");

/** Finds the lines in the pieces of a text and has them read by the scanner of its format. */
export class FormatValidator implements Validator {
  private readonly scanner: RecordScanner;
  private readonly rest = new LineRest();
  /** A record that goes on over lines is looked at again only when the rest is this long: no work is squared. */
  private nextLook = 0;
  /** The line where the next record begins. */
  private line = 1;
  private verdict: Verdict | undefined;

  constructor(private readonly format: Format) {
    this.scanner = format === "text" ? new TextScanner() : new OpenMetricsScanner();
  }

  push(chunk: Uint8Array): boolean {
    const bytes = asBuffer(chunk);
    let pos = 0;
    while (pos < bytes.length && this.verdict === undefined && !this.scanner.ended) {
      if (this.rest.length === 0) {
        pos = this.scan(bytes, pos);
        this.keep(bytes.subarray(pos));
        break;
      }
      const wanted = Math.max(this.nextLook - this.rest.length, 1);
      const newline = bytes.indexOf(LINE_FEED, pos + wanted - 1);
      const next = newline < 0 ? bytes.length : newline + 1;
      this.keep(bytes.subarray(pos, next));
      pos = next;
      if (newline >= 0) this.scanRest();
    }
    return this.verdict === undefined;
  }

  end(): Verdict {
    const { line, rest, scanner } = this;
    if (rest.length > 0) {
      // A last line without line feed is read as if it had one.
      rest.append(lineFeed);
      this.scanRest();
      if (rest.length > 0) this.fault("a quote is not closed");
    }
    if (!scanner.complete) {
      this.line = line;
      this.fault("the text does not end with # EOF");
    }
    this.verdict ??= { ok: true, format: this.format, samples: scanner.samples };
    return this.verdict;
  }

  private keep(bytes: Buffer): void {
    if (this.verdict !== undefined || this.scanner.ended) return;
    if (this.rest.length + bytes.length > maxLineBytes) this.fault(tooLong);
    else this.rest.append(bytes);
  }

  private scanRest(): void {
    if (this.verdict === undefined) this.rest.drop(this.scan(this.rest.view(), 0));
    this.nextLook = 2 * this.rest.length;
  }

  /** Reads the whole records from `start` on and answers the position behind them. */
  private scan(bytes: Buffer, start: number): number {
    const { scanner } = this;
    const end = bytes.lastIndexOf(LINE_FEED) + 1;
    if (end <= start) return start;
    scanner.begin(bytes, isUtf8(bytes.subarray(start, end)));
    let pos = start;
    while (pos < end) {
      const next = scanner.scan(bytes, pos, end);
      if (next === INCOMPLETE) return pos;
      if (next < 0 || next - pos > maxLineBytes) {
        const lineEnd = next < 0 ? bytes.indexOf(LINE_FEED, pos) : next;
        this.fault(lineEnd - pos > maxLineBytes ? tooLong : scanner.reason);
        return end;
      }
      this.line += scanner.lines;
      pos = next;
    }
    return end;
  }

  private fault(reason: string): void {
    this.verdict ??= { ok: false, line: this.line, reason };
  }
}
