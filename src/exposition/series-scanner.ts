import { BRACE_OPEN, skipBlanks, skipName } from "./bytes.js";
import { type LabelDialect, LabelSetScanner } from "./label-set.js";
import { FAULT } from "./record-scanner.js";
import { SeriesPattern } from "./series-pattern.js";

/** Reads the series of a sample: the metric's name and its labels. */
export class SeriesScanner {
  /** See RecordScanner. */
  reason = "";
  /** The line feeds that were seen in quotes. */
  lineFeeds = 0;
  private readonly labels: LabelSetScanner;
  private readonly pattern = new SeriesPattern();
  private utf8 = true;

  constructor(private readonly dialect: LabelDialect) {
    this.labels = new LabelSetScanner(dialect);
  }

  /** See RecordScanner. */
  begin(bytes: Buffer, utf8: boolean): void {
    this.utf8 = utf8;
    this.labels.knownUtf8 = utf8;
    this.pattern.begin(bytes);
  }

  /**
   * Reads the series that begins at `start`; the bytes before `end` are whole lines.
   *
   * Answers the position behind it, or FAULT, or INCOMPLETE.
   */
  scan(bytes: Buffer, start: number, end: number): number {
    this.lineFeeds = 0;
    const behind = this.utf8 ? this.pattern.match(bytes, start) : -1;
    return behind >= 0 ? behind : this.scanThoroughly(bytes, start, end);
  }

  private scanThoroughly(bytes: Buffer, start: number, end: number): number {
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
      this.reason = bare ? "the metric has a second name" : "a sample without a metric name";
      return FAULT;
    }
    this.lineFeeds = labels.lineFeeds;
    if (labels.plain) this.pattern.learn(start, pos, labels.bounds, labels.count);
    return pos;
  }
}
