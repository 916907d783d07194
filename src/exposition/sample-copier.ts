import type { ByteSink } from "./byte-sink.js";
import { BRACE_OPEN, HASH, isBlank, LINE_FEED, NUL, skipBlanks, viewOf } from "./bytes.js";
import type { Format } from "./format.js";
import { type MetadataLine, MetadataReader } from "./metadata.js";
import { toMilliseconds, writeTimestamp } from "./number.js";
import { bitsOf, Followers, offsetIn, placeIn, SampleShape } from "./sample-shape.js";
import { SampleTail } from "./sample-tail.js";
import { SeriesReader } from "./series-reader.js";
import { Shapes } from "./shapes.js";
import { AddedLabels, type Source, toInsert } from "./source.js";
import { concatInSteps, inSteps, type Steps } from "./steps.js";

const nothing: Buffer = Buffer.alloc(0);
const space = toInsert(" ");
/** Bytes of a source per step. They take some microseconds, or milliseconds if no two lines resemble each other. */
const stepBytes = 4096;

/** The metric name of samples, as a byte string, and which labels of labelBits they have. */
export type Entered = Pick<SampleShape, "name" | "bits">;

/** How to add labels to a series. */
type Spelling = Pick<SampleShape, "offset" | "pattern" | "place" | "renamed" | "renames">;

/** Receives what a copier finds in a source. */
export interface CopyListener {
  /** A HELP, TYPE or UNIT line. */
  metadata(line: MetadataLine): void;
  /** The next samples have this name and these labels. They will be written from the current end of the sink. */
  enter(samples: Entered): void;
  /**
   * A sample has been written to the sink. Only called if hashes are enabled.
   *
   * @param start its position in the sink.
   * @param end the position after its series.
   * @param hash of its name and labels, whatever their order.
   */
  sample(start: number, end: number, hash: number, hasExemplar: boolean): void;
  /** Called after each step, that is after about a thousand samples at most. */
  betweenSteps?(): Steps<void>;
}

/**
 * Copies samples into a sink, adds labels and timestamps, and rewrites what strict parsers would reject. Metadata goes
 * to a listener; other comments are dropped.
 *
 * Sources must be valid. Most samples take a fast path: their shape states where to add the labels, and all their other
 * bytes are copied unchanged.
 */
export class SampleCopier {
  /** The shapes of all sources so far, because replicas have the same ones. */
  private shapes = new Shapes();
  /** The shapes of the current source. Their patterns refer to its bytes. */
  private used: SampleShape[] = [];
  private sources = 0;
  private readonly metadata = new MetadataReader();
  private readonly series = new SeriesReader();
  private readonly tail = new SampleTail();
  /** How a series without a shape is copied. */
  private readonly spelling = { place: 0, offset: 0, renamed: 0, renames: [], pattern: undefined };
  /** Bounds of the last sample and of its series in the sink. */
  private line = 0;
  private lineSeriesEnd = 0;
  /** What the listener has received last. */
  private entered: Entered | undefined;
  /** Prevents an attacker from choosing series whose hashes are equal. */
  private readonly salt = Math.floor(Math.random() * 2 ** 32);
  /** The position after the series that matched a shape last. */
  private seriesEnd = 0;
  /** Shape of the previous sample; undefined at the start of a source. */
  private shape: SampleShape | undefined;
  /** The shapes that are likely to follow, and those that sources are likely to start with. */
  private followers = new Followers();
  private firstShapes = new Followers();
  private added = new AddedLabels([], 0);
  private format: Format = "text";
  private bytes = nothing;
  private view = viewOf(nothing);
  /** End of the line for samples without a timestamp. */
  private lineEnd = toInsert("\n");
  private stamps = false;

  /** @param hashes whether to compute hashes and report each sample to the listener. */
  constructor(
    private readonly sink: ByteSink,
    private readonly into: Format,
    private readonly hashes: boolean,
  ) {}

  /** Copies all samples of a source in order. Finish one source before starting the next. */
  *copy(source: Source, listener: CopyListener): Steps<void> {
    yield* this.begin(source);
    const { length } = this.bytes;
    for (let pos = 0; pos >= 0 && pos < length; ) {
      pos = this.copyUntil(Math.min(pos + stepBytes, length), pos, listener);
      yield;
      if (this.sink.isNearlyFull) yield* this.sink.grow();
      if (listener.betweenSteps !== undefined) yield* listener.betweenSteps();
    }
    // Releases the memory of the source.
    yield* inSteps(this.used, ({ pattern }) => pattern?.detach());
    this.used = [];
    this.use(nothing);
  }

  /** Copies the lines that start before `end`. Returns the position of the next line, or -1 after a NUL that ends the text. */
  private copyUntil(end: number, start: number, listener: CopyListener): number {
    const { bytes } = this;
    let pos = start;
    while (pos >= 0 && pos < end) {
      // A series starts with a character above these.
      pos = bytes[pos]! <= HASH ? this.readOther(pos, listener) : this.copySample(pos, listener);
    }
    return pos;
  }

  private *begin({ bytes, format, labels, timestamp }: Source): Steps<void> {
    const whole = bytes.at(-1) === LINE_FEED || bytes.length === 0;
    this.use(whole ? bytes : yield* concatInSteps([bytes, Buffer.from("\n")], bytes.length + 1));
    this.format = format;
    const added = new AddedLabels(labels, this.salt);
    // Shapes depend on the names of the added labels.
    if (added.names.join() !== this.added.names.join() || this.shapes.full) {
      this.firstShapes = new Followers();
      this.shapes = new Shapes();
    }
    this.added = added;
    this.sources++;
    this.shape = undefined;
    this.entered = undefined;
    this.followers = this.firstShapes;
    this.stamps = timestamp !== undefined;
    this.lineEnd = toInsert(timestamp === undefined ? "\n" : ` ${writeTimestamp(timestamp, this.into)}\n`);
  }

  private use(bytes: Buffer): void {
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }

  /** Reads a line that is not a sample. Returns the position of the next line, or -1 after a NUL that ends the text. */
  private readOther(start: number, listener: CopyListener): number {
    const { bytes } = this;
    const pos = skipBlanks(bytes, start);
    if (bytes[pos] === LINE_FEED) return pos + 1;
    if (bytes[pos] === NUL) return -1;
    const lineEnd = bytes.indexOf(LINE_FEED, pos);
    if (this.format === "text" && !isBlank(bytes[pos + 1]!)) {
      return bytes.subarray(pos, lineEnd).includes(NUL) ? -1 : lineEnd + 1;
    }
    const metadata = this.metadata.read(bytes, pos, lineEnd, this.format);
    if (metadata !== undefined) listener.metadata(metadata);
    return lineEnd + 1;
  }

  /** Copies the sample at `start`. Returns the position of the next line. */
  private copySample(start: number, listener: CopyListener): number {
    const { followers, shape } = this;
    if (this.matches(shape, start)) this.copyUnchanged(shape!, start, listener);
    else if (this.matches(followers.first, start)) this.copyUnchanged(followers.first!, start, listener);
    else if (this.matches(followers.second, start)) this.copyUnchanged(followers.second!, start, listener);
    else this.copyOther(start, listener);
    return this.tail.lineEnd + 1;
  }

  private turnTo(shape: SampleShape, listener: CopyListener): void {
    if (shape === this.shape) return;
    this.followers.add(shape);
    this.followers = shape.followers;
    this.shape = shape;
    this.entered = shape;
    if (shape.usedBy !== this.sources) {
      shape.usedBy = this.sources;
      this.used.push(shape);
    }
    listener.enter(shape);
  }

  /** Whether the series has this shape and needs no rewriting. If so, the tail of the sample has been read. */
  private matches(shape: SampleShape | undefined, start: number): boolean {
    const { bytes, tail } = this;
    const end = shape === undefined ? -1 : shape.match(bytes, this.view, start);
    if (end < 0) return false;
    this.seriesEnd = end;
    tail.read(bytes, end);
    // In the text format, blanks may separate the name from the labels.
    return tail.tidy || bytes[tail.valueStart] !== BRACE_OPEN;
  }

  private copyUnchanged(shape: SampleShape, start: number, listener: CopyListener): void {
    this.turnTo(shape, listener);
    this.copySeries(shape, this.view, start, this.seriesEnd, true);
    if (this.hashes) this.report(shape.hash(this.added.hash), listener);
  }

  /**
   * Copies a sample whose tail has been read, with added labels.
   *
   * @param start bounds of its series in `from`.
   * @param inSource whether `from` is the source, so that the value can be copied together with the series.
   */
  private copySeries(
    shape: Spelling,
    from: DataView,
    start: number,
    seriesEnd: number,
    inSource: boolean,
  ): void {
    const { added, sink, tail } = this;
    const insert = added.inserts[shape.place]!;
    const together = inSource && tail.tidy;
    const keepsEnd = tail.tidy && this.keepsEnd();
    const valueEnd = keepsEnd ? tail.lineEnd + 1 : tail.valueEnd;
    const end = together ? valueEnd : seriesEnd;
    this.line = sink.length;
    this.lineSeriesEnd = this.line + seriesEnd - start + insert.length + shape.renamed;
    sink.reserve(end - start + insert.length + shape.renamed);
    let pos = start + shape.offset;
    sink.copy(from, start, pos);
    sink.copy(insert.view, 0, insert.length);
    for (const { prefix, after, offset } of shape.renames) {
      const to = start + offset + (after < 0 ? 0 : shape.pattern!.endOf(after));
      sink.copy(from, pos, to);
      sink.copy(prefix.view, 0, prefix.length);
      pos = to;
    }
    sink.copy(from, pos, end);
    if (!together) this.writeValue(valueEnd);
    if (!keepsEnd) this.writeEnd();
  }

  private report(hash: number, listener: CopyListener): void {
    listener.sample(this.line, this.lineSeriesEnd, hash, this.tail.hasExemplar);
  }

  /** Whether everything after the value is copied unchanged. */
  private keepsEnd(): boolean {
    const { tail } = this;
    if (this.format !== this.into && (tail.timeEnd > 0 || tail.hasExemplar)) return false;
    return !this.stamps || tail.timeEnd > 0;
  }

  private writeValue(end: number): void {
    const { sink, tail } = this;
    sink.reserve(1 + end - tail.valueStart);
    sink.copy(space.view, 0, 1);
    sink.copy(this.view, tail.valueStart, end);
  }

  /** Writes the rest of the line after the value. */
  private writeEnd(): void {
    const { bytes, sink, tail } = this;
    if (tail.timeEnd === 0) {
      const exemplar = tail.hasExemplar && this.into === "openmetrics";
      sink.reserve(this.lineEnd.length);
      sink.copy(this.lineEnd.view, 0, this.lineEnd.length - Number(exemplar));
      if (exemplar) sink.append(bytes.subarray(tail.valueEnd, tail.lineEnd + 1));
    } else {
      const time = bytes.toString("latin1", tail.timeStart, tail.timeEnd);
      sink.write(` ${this.format !== this.into ? toMilliseconds(time) : time}\n`);
    }
  }

  /** Reads and copies a sample that has another shape than expected, or that strict parsers would reject. */
  private copyOther(start: number, listener: CopyListener): void {
    const { added, bytes, salt, series, tail } = this;
    series.read(bytes, this.view, start, this.format);
    tail.read(bytes, series.end);
    const { canonical } = series;
    // A label that must be renamed needs a shape.
    const renames = series.labels > 0 && added.spelledNames.some((name) => series.hasLabel(name));
    const shape = canonical ? this.shapes.find(series, added, salt) : undefined;
    const temporary = shape ?? (renames ? new SampleShape(series, added, salt) : undefined);
    if (shape === undefined) this.enter(temporary ?? series, listener);
    else this.turnTo(shape, listener);
    if (temporary === undefined) {
      this.spelling.offset = offsetIn(series);
      this.spelling.place = placeIn(series);
    } else {
      temporary.learn(series, this.hashes);
    }
    this.copySeries(temporary ?? this.spelling, series.view, series.start, series.stop, canonical);
    if (this.hashes)
      this.report(temporary?.hash(added.hash) ?? (series.hash(salt) + added.hash) | 0, listener);
  }

  /** Announces samples without a known shape. */
  private enter(series: SampleShape | SeriesReader, listener: CopyListener): void {
    this.shape = undefined;
    const { entered } = this;
    if (series instanceof SampleShape) {
      this.entered = series;
    } else {
      const bits = bitsOf(series);
      if (entered !== undefined && entered.bits === bits && series.isNamed(entered.name)) return;
      this.entered = { name: series.name(), bits };
    }
    listener.enter(this.entered);
  }
}
