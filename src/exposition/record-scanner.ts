import { BRACE_OPEN, skipBlanks, skipName, viewOf } from "./bytes.js";
import type { Format } from "./format.js";
import { FAULT, LabelSetScanner } from "./label-set.js";
import { SeriesPattern } from "./series-pattern.js";

/** As many as a histogram has kinds of samples, including `_created`. */
const maxPatterns = 4;

/**
 * Scans a format record by record. A record is a line; in the text format, a line feed within quotes does not end it.
 *
 * Results are fields instead of returned objects, because a scan runs once for each of up to a million lines.
 */
export abstract class RecordScanner {
  /** Number of lines of the last record. */
  lines = 1;
  /** Number of samples so far. */
  samples = 0;
  /** Whether the exposition may end here: always in the text format, after `# EOF` in OpenMetrics. */
  complete: boolean;
  /** Whether everything that follows is ignored. */
  ended = false;
  /** Why the last scan returned FAULT. */
  reason = "";
  /** Whether the bytes are known to be valid UTF-8. */
  protected utf8 = true;
  private readonly labels: LabelSetScanner;
  /** Patterns of the most recent series: the samples of a histogram alternate. */
  private readonly patterns: SeriesPattern[] = [];
  /** Index of the pattern that matched last. */
  private current = 0;
  private view: DataView = new DataView(new ArrayBuffer(0));

  constructor(readonly format: Format) {
    this.complete = format === "text";
    this.labels = new LabelSetScanner(format);
  }

  /** To be called before the first scan of `bytes`, and again after they change. `utf8`: whether they are valid UTF-8. */
  begin(bytes: Buffer, utf8: boolean): void {
    this.utf8 = utf8;
    this.labels.knownUtf8 = utf8;
    this.view = viewOf(bytes);
    // They refer to the previous bytes.
    this.patterns.length = 0;
  }

  /**
   * Scans the record at `start`. The bytes before `end` are complete lines: the last one is a line feed.
   *
   * @returns the position of the next record, FAULT or INCOMPLETE.
   */
  abstract scan(bytes: Buffer, start: number, end: number): number;

  /** Scans metric name and labels of a sample. Returns the position after them, FAULT or INCOMPLETE. */
  protected scanSeries(bytes: Buffer, start: number, end: number): number {
    const next = this.utf8 ? this.matchPattern(bytes, start) : -1;
    return next >= 0 ? next : this.scanFully(bytes, start, end);
  }

  protected fault(reason: string): number {
    this.reason = reason;
    return FAULT;
  }

  private matchPattern(bytes: Buffer, start: number): number {
    const { patterns } = this;
    for (let turn = 0, index = this.current; turn < patterns.length; turn++) {
      const next = patterns[index]!.match(bytes, this.view, start);
      if (next >= 0) {
        this.current = index;
        return next;
      }
      index = index + 1 < patterns.length ? index + 1 : 0;
    }
    return -1;
  }

  private learnPattern(start: number, end: number): void {
    const { patterns } = this;
    this.current = (this.current + 1) % maxPatterns;
    if (this.current >= patterns.length) this.current = patterns.push(new SeriesPattern()) - 1;
    patterns[this.current]!.learn(this.view, start, end, this.labels.bounds, this.labels.count);
  }

  private scanFully(bytes: Buffer, start: number, end: number): number {
    const { labels } = this;
    let pos = skipName(bytes, start);
    const bare = pos > start;
    const brace = this.format === "text" ? skipBlanks(bytes, pos) : pos;
    if (bytes[brace] !== BRACE_OPEN) return pos;
    pos = labels.scan(bytes, brace + 1, end);
    if (pos < 0) {
      this.reason = labels.reason;
      return pos;
    }
    if (labels.named === bare)
      return this.fault(bare ? "second metric name" : "sample without a metric name");
    this.lines += labels.lineFeeds;
    if (labels.plain && labels.count > 0) this.learnPattern(start, pos);
    return pos;
  }
}
