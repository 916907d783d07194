import { isUtf8 } from "node:buffer";
import { ByteSink } from "./byte-sink.js";
import { LINE_FEED } from "./bytes.js";
import type { Format } from "./format.js";
import { INCOMPLETE } from "./label-set.js";
import { OpenMetricsScanner } from "./openmetrics-scanner.js";
import type { RecordScanner } from "./record-scanner.js";
import { TextScanner } from "./text-scanner.js";

/** Maximum length of a line. A line is buffered until it is complete, and processed in one step. */
export const maxLineBytes = 256 * 1024;

const tooLong = `line longer than ${maxLineBytes} bytes`;

/**
 * The result of a validation: the format and the number of samples (0 if there are none), or the first error with its
 * line number, starting at 1.
 */
export type Verdict =
  | { readonly ok: true; readonly format: Format; readonly samples: number }
  | { readonly ok: false; readonly line: number; readonly reason: string };

/**
 * Validates an exposition that arrives in chunks of any size. It buffers only the incomplete last line.
 *
 * Valid is what a Prometheus server accepts from a target. Features that Prometheus 3 accepts and 2.42 does not are
 * valid too: quoted names, exemplars on every OpenMetrics sample, a trailing comma after the last label. Some inputs are
 * rejected although a server may accept them: a line longer than maxLineBytes; a sample with more than maxLabels labels;
 * a duplicate label that the server overwrites (`job`, `instance`); a NUL as the only byte after `# EOF`.
 */
export interface Validator {
  /**
   * Validates the next bytes. They are not retained; the caller may reuse the memory.
   *
   * @returns false once the exposition is known to be invalid: further bytes cannot change that.
   */
  push(chunk: Buffer): boolean;
  /** Ends the exposition. To be called exactly once, also after an error. */
  end(): Verdict;
}

/**
 * Creates a validator.
 *
 * @param format undefined if the content type is missing or unknown. If the text is valid OpenMetrics, including
 * `# EOF`, its format is OpenMetrics, else text. If it is valid in neither format, the result is the error that occurred
 * later in the text, because that is most likely the intended format.
 */
export function createValidator(format: Format | undefined): Validator {
  if (format !== undefined) return new FormatValidator(format);
  const asText = new FormatValidator("text");
  const asOpenMetrics = new FormatValidator("openmetrics");
  return {
    push(chunk: Buffer): boolean {
      const isText = asText.push(chunk);
      return asOpenMetrics.push(chunk) || isText;
    },
    end(): Verdict {
      const text = asText.end();
      const openmetrics = asOpenMetrics.end();
      if (openmetrics.ok) return openmetrics;
      return text.ok || text.line >= openmetrics.line ? text : openmetrics;
    },
  };
}

/** Splits the chunks into records and passes them to the scanner of the format. */
class FormatValidator implements Validator {
  private readonly scanner: RecordScanner;
  /** The bytes of a record that is not complete yet, copied from the chunks. */
  private readonly rest = new ByteSink(0);
  /** A record of several lines is scanned again only once it has this length, so that the total work stays linear. */
  private nextScan = 0;
  /** Line number of the next record. */
  private line = 1;
  private verdict: Verdict | undefined;

  constructor(format: Format) {
    this.scanner = format === "text" ? new TextScanner() : new OpenMetricsScanner();
  }

  push(bytes: Buffer): boolean {
    let pos = 0;
    while (pos < bytes.length && this.verdict === undefined && !this.scanner.ended) {
      if (this.rest.length === 0) {
        pos = this.scan(bytes, pos);
        this.keep(bytes.subarray(pos));
        break;
      }
      const wanted = Math.max(this.nextScan - this.rest.length, 1);
      const newline = bytes.indexOf(LINE_FEED, pos + wanted - 1);
      let next = newline < 0 ? bytes.length : newline + 1;
      // The record may end earlier, within the limit.
      const space = maxLineBytes - this.rest.length;
      const last = next - pos >= space ? bytes.subarray(pos, pos + space).lastIndexOf(LINE_FEED) : -1;
      if (last >= 0) next = pos + last + 1;
      this.keep(bytes.subarray(pos, next));
      pos = next;
      if (newline >= 0 || last >= 0) this.scanRest();
    }
    return this.verdict === undefined;
  }

  end(): Verdict {
    const { line, rest, scanner } = this;
    if (rest.length > 0) {
      // The line feed after the last line is optional.
      rest.write("\n");
      this.scanRest();
      if (rest.length > 0) this.fault("unterminated quoted string");
    }
    if (!scanner.complete) {
      this.line = line;
      this.fault("missing # EOF at the end");
    }
    this.verdict ??= { ok: true, format: scanner.format, samples: scanner.samples };
    return this.verdict;
  }

  private keep(bytes: Buffer): void {
    if (this.verdict !== undefined || this.scanner.ended) return;
    if (this.rest.length + bytes.length > maxLineBytes) this.fault(tooLong);
    else this.rest.append(bytes);
  }

  private scanRest(): void {
    if (this.verdict === undefined) this.rest.drop(this.scan(this.rest.written(), 0));
    this.nextScan = 2 * this.rest.length;
  }

  /** Scans the complete records from `start` on. Returns the position after them. */
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
