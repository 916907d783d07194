import { BRACE_OPEN, skipBlanks, skipName } from "./bytes.js";
import { type LabelDialect, LabelSetScanner } from "./label-set.js";
import { FAULT } from "./record-scanner.js";
import { SeriesPattern } from "./series-pattern.js";

/** So many patterns are kept: as many as a histogram has kinds of samples, with `_created`. */
const maxPatterns = 4;

/** Reads the series of a sample: the metric's name and its labels. */
export class SeriesScanner {
  /** See RecordScanner. */
  reason = "";
  /** The line feeds that were seen in quotes. */
  lineFeeds = 0;
  private readonly labels: LabelSetScanner;
  /** The patterns of the series that were read last, for the samples of a histogram take turns. */
  private readonly patterns: SeriesPattern[] = [];
  /** The index of the pattern that matched last. */
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
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (const pattern of this.patterns) pattern.begin();
  }

  /**
   * Reads the series that begins at `start`; the bytes before `end` are whole lines.
   *
   * Answers the position behind it, or FAULT, or INCOMPLETE.
   */
  scan(bytes: Buffer, start: number, end: number): number {
    this.lineFeeds = 0;
    const behind = this.utf8 ? this.matchPattern(bytes, start) : -1;
    return behind >= 0 ? behind : this.scanThoroughly(bytes, start, end);
  }

  private matchPattern(bytes: Buffer, start: number): number {
    const { patterns } = this;
    for (let turn = 0, index = this.current; turn < patterns.length; turn++) {
      const behind = patterns[index]!.match(bytes, this.view, start);
      if (behind >= 0) {
        this.current = index;
        return behind;
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
    if (labels.plain && labels.count > 0) this.learnPattern(start, pos);
    return pos;
  }
}
