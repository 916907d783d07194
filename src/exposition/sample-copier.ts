import { type ByteSink, viewOf } from "./byte-sink.js";
import { HASH, isBlank, LINE_FEED, NUL, skipBlanks } from "./bytes.js";
import type { Format } from "./format.js";
import type { MetadataLine } from "./metadata.js";
import { MetadataMemo } from "./metadata-memo.js";
import { type PutLabels, toInsert } from "./put-labels.js";
import { Followers, type SampleShape } from "./sample-shape.js";
import { SampleTail } from "./sample-tail.js";
import { type FoundSeries, type Label, readSeries, writeSeries } from "./series.js";
import { ShapeMemo } from "./shape-memo.js";
import type { Steps } from "./steps.js";
import { toMilliseconds } from "./timestamp.js";

const nothing: Buffer = Buffer.alloc(0);
/** Bytes of a source for one step: some microseconds, or milliseconds where no two lines are alike. */
const stepBytes = 4096;

/** What a copier tells while it reads a source. */
export interface CopyListener {
  /** A line of HELP, TYPE or UNIT. */
  metadata(line: MetadataLine): void;
  /** The samples that follow have this shape; they go into the sink from its end on. */
  enter(shape: SampleShape): void;
  /** Only where hashes are asked for: a sample was written, from `start` on. `hash` is that of its name and its labels, in any order. */
  sample(start: number, hash: number, hasExemplar: boolean): void;
}

/** What becomes of the samples of one source. */
export interface CopyPlan {
  readonly bytes: Buffer;
  readonly format: Format;
  readonly into: Format;
  readonly put: PutLabels;
  /** What a sample without timestamp gets: milliseconds since the epoch. */
  readonly timestamp?: number | undefined;
}

/**
 * Copies the samples of sources into a sink, with labels and timestamps put in, and spelled so that every parser
 * reads them. All else of a source goes to a listener.
 *
 * The sources are known to be valid, so there is nothing to check. Most samples take a short way: a shape tells
 * where their labels are, and all of their bytes go over as they are.
 */
export class SampleCopier {
  private readonly memo = new ShapeMemo();
  private readonly metadata = new MetadataMemo();
  private readonly tail = new SampleTail();
  /** The shape of the sample before; undefined before the first one of a source. */
  private shape: SampleShape | undefined;
  /** The shapes that are likely to come next, and those that sources are likely to begin with. */
  private followers = new Followers();
  private firstShapes = new Followers();
  private bytes = nothing;
  private view = viewOf(nothing);
  private format: Format = "text";
  private converts = false;
  private put!: PutLabels;
  private putNames = "";
  /** What ends the line of a sample that has no timestamp of its own. */
  private lineEnd = toInsert("\n");
  private stamps = false;

  /** `hashes`: whether the listener wants to know the hashes. */
  constructor(
    private readonly sink: ByteSink,
    private readonly hashes: boolean,
  ) {}

  /** Copies all samples of a source, in their order. Only one source is copied at a time. */
  *copy(plan: CopyPlan, listener: CopyListener): Steps<void> {
    this.begin(plan);
    const { length } = this.bytes;
    for (let pos = 0; pos >= 0 && pos < length; ) {
      pos = this.copyUntil(Math.min(pos + stepBytes, length), pos, listener);
      yield;
    }
    this.memo.detach();
    this.use(nothing);
  }

  /** Copies what begins before `end`. Answers the position of the next line; -1 where the text ends before it does. */
  private copyUntil(end: number, start: number, listener: CopyListener): number {
    const { bytes } = this;
    let pos = start;
    while (pos >= 0 && pos < end) {
      // All that a series may begin with is above these.
      pos = bytes[pos]! <= HASH ? this.readOther(pos, listener) : this.copySample(pos, listener);
    }
    return pos;
  }

  private begin({ bytes, format, into, put, timestamp }: CopyPlan): void {
    const whole = bytes.at(-1) === LINE_FEED || bytes.length === 0;
    this.use(whole ? bytes : Buffer.concat([bytes, Buffer.from("\n")]));
    this.format = format;
    this.converts = format !== into;
    const putNames = put.names.join();
    // Shapes know which names are put in: those of other sources are of no use.
    if (putNames !== this.putNames) this.firstShapes = new Followers();
    this.shape = undefined;
    this.followers = this.firstShapes;
    this.put = put;
    this.putNames = putNames;
    this.stamps = timestamp !== undefined;
    this.lineEnd = toInsert(timestamp === undefined ? "\n" : ` ${timestamp}\n`);
  }

  private use(bytes: Buffer): void {
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }

  /** Reads a line that is no sample. Answers the position of the next line; -1 where the text ends before it does. */
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

  /** Copies the sample that begins at `start`. Answers the position of the next line. */
  private copySample(start: number, listener: CopyListener): number {
    const { followers, shape } = this;
    if (this.matches(shape, start)) this.copyAsItIs(shape!, start, listener);
    else if (this.matches(followers.first, start)) this.copyNext(followers.first!, start, listener);
    else if (this.matches(followers.second, start)) this.copyNext(followers.second!, start, listener);
    else this.respell(start, listener);
    return this.tail.lineEnd + 1;
  }

  private copyNext(shape: SampleShape, start: number, listener: CopyListener): void {
    this.turnTo(shape, listener);
    this.copyAsItIs(shape, start, listener);
  }

  private turnTo(shape: SampleShape, listener: CopyListener): void {
    if (shape === this.shape) return;
    this.followers.add(shape);
    this.followers = shape.followers;
    this.shape = shape;
    listener.enter(shape);
  }

  /** Whether the sample has this shape, and there is nothing to mend. Its tail was read then. */
  private matches(shape: SampleShape | undefined, start: number): boolean {
    const { bytes, tail } = this;
    const end = shape === undefined ? -1 : shape.match(bytes, this.view, start);
    if (end < 0) return false;
    tail.read(bytes, end, this.format);
    return tail.tidy;
  }

  private copyAsItIs(shape: SampleShape, start: number, listener: CopyListener): void {
    const { put, sink, tail, view } = this;
    const { renames } = shape;
    const putIn = put.inserts[shape.place]!;
    const keepsEnd = this.keepsEnd();
    const end = keepsEnd ? tail.lineEnd + 1 : tail.valueEnd;
    const line = sink.length;
    sink.reserve(end - start + putIn.length + shape.renamed);
    let from = start + shape.offset;
    sink.copy(view, start, from);
    sink.copy(putIn.view, 0, putIn.length);
    for (const { prefix, behind, offset } of renames) {
      const to = start + offset + (behind < 0 ? 0 : shape.last!.endOf(behind));
      sink.copy(view, from, to);
      sink.copy(prefix.view, 0, prefix.length);
      from = to;
    }
    sink.copy(view, from, end);
    if (!keepsEnd) this.writeEnd();
    if (this.hashes) listener.sample(line, shape.hash(put.hash), tail.hasExemplar);
  }

  /** Whether all that follows the value goes over as it is. */
  private keepsEnd(): boolean {
    const { tail } = this;
    if (this.converts && (tail.timeEnd > 0 || tail.hasExemplar)) return false;
    return !this.stamps || tail.timeEnd > 0;
  }

  /** Writes what follows the value. */
  private writeEnd(): void {
    const { bytes, sink, tail } = this;
    if (tail.timeEnd === 0) {
      sink.reserve(this.lineEnd.length);
      sink.copy(this.lineEnd.view, 0, this.lineEnd.length);
    } else {
      const time = bytes.toString("latin1", tail.timeStart, tail.timeEnd);
      sink.write(` ${this.converts ? toMilliseconds(time) : time}\n`);
    }
  }

  /** Copies a sample whose shape is new, or that has something to mend. */
  private respell(start: number, listener: CopyListener): void {
    const { bytes, put, sink, tail } = this;
    const series = readSeries(bytes, start);
    tail.read(bytes, series.end, this.format);
    const shape = this.memo.of(series, put);
    this.turnTo(shape, listener);
    if (this.isSpelledWell(series, start)) shape.learn(this.view, start, series, this.hashes);

    const labels = series.labels.map(([name, value], index): Label => [shape.prefixes[index] + name, value]);
    const line = sink.length;
    sink.write(writeSeries({ name: series.name, labels: [...put.labels, ...labels] }));
    sink.write(` ${bytes.toString("latin1", tail.valueStart, tail.valueEnd)}`);
    if (this.format === "openmetrics" && this.keepsEnd()) {
      sink.write(bytes.toString("latin1", tail.valueEnd, tail.lineEnd + 1));
    } else {
      this.writeEnd();
    }
    if (this.hashes) listener.sample(line, shape.hashOf(series, put.hash), tail.hasExemplar);
  }

  /** Whether a series is spelled as every parser reads it. A NUL has more than one reading. */
  private isSpelledWell(series: FoundSeries, start: number): boolean {
    const spelling = this.bytes.toString("latin1", start, series.end);
    const best = writeSeries(series);
    if (spelling.includes("\0")) return false;
    return spelling === best || (this.format === "text" && spelling.replace(/,}$/, "}") === best);
  }
}
