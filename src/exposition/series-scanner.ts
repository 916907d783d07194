import { BRACE_OPEN, skipBlanks, skipName, viewOf } from "./bytes.js";
import { type LabelDialect, LabelSetScanner } from "./label-set.js";
import { FAULT } from "./record-scanner.js";
import { SeriesPattern } from "./series-pattern.js";

/** As many as a histogram has kinds of samples, including `_created`. */
const maxPatterns = 4;

/** Scans the series of a sample: metric name and labels. */
export class SeriesScanner {
  /** See RecordScanner. */
  reason = "";
  /** Number of line feeds within quotes. */
  lineFeeds = 0;
  private readonly labels: LabelSetScanner;
  /** Patterns of the most recent series: the samples of a histogram alternate. */
  private readonly patterns: SeriesPattern[] = [];
  /** Index of the pattern that matched last. */
  private current = 0;
  private view: DataView = new DataView(new ArrayBuffer(0));
  private utf8 = true;

  constructor(private readonly dialect: LabelDialect) {
    this.labels = new LabelSetScanner(dialect);
  }

  /** See RecordScanner. */
  begin(bytes: Buffer, utf8: boolean): void {
    this.utf8 = utf8;
    this.labels.knownUtf8 = utf8;
    this.view = viewOf(bytes);
    for (const pattern of this.patterns) pattern.forget();
  }

  /**
   * Scans the series at `start`. The bytes before `end` are complete lines.
   *
   * @returns the position after the series, FAULT or INCOMPLETE.
   */
  scan(bytes: Buffer, start: number, end: number): number {
    this.lineFeeds = 0;
    const next = this.utf8 ? this.matchPattern(bytes, start) : -1;
    return next >= 0 ? next : this.scanFully(bytes, start, end);
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
    const brace = this.dialect.loose ? skipBlanks(bytes, pos) : pos;
    if (bytes[brace] !== BRACE_OPEN) return pos;
    pos = labels.scan(bytes, brace + 1, end);
    if (pos < 0) {
      this.reason = labels.reason;
      return pos;
    }
    if (labels.named === bare) {
      this.reason = bare ? "second metric name" : "sample without a metric name";
      return FAULT;
    }
    this.lineFeeds = labels.lineFeeds;
    if (labels.plain && labels.count > 0) this.learnPattern(start, pos);
    return pos;
  }
}
