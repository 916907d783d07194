import type { ByteSink } from "./byte-sink.js";
import type { Declaration } from "./declarations.js";
import type { Format } from "./format.js";
import type { Run } from "./labelled-source.js";
import { type Metadata, writeMetadata } from "./metadata.js";
import type { MetricType } from "./metric-type.js";
import { SampleTail } from "./sample-tail.js";
import { readSeries } from "./series.js";

/** A family of the merged exposition, with the samples of all sources. */
export class MergedFamily {
  samples = 0;
  private readonly metadata: Metadata = {};
  private readonly pieces: Buffer[] = [];
  /** Bounds of the current piece, which the next samples may extend. */
  private start = 0;
  private end = 0;

  constructor(
    private readonly name: string,
    /** Undefined if no source declares a valid one. */
    private readonly type: MetricType | undefined,
    private readonly sink: ByteSink,
  ) {}

  /** Adopts help and unit of a source, unless they are known or the source declares another type. */
  describe({ type, metadata }: Declaration): void {
    if (type !== undefined && type !== "unknown" && this.type !== undefined && type !== this.type) return;
    if (type === "unknown") this.metadata.type = type;
    this.metadata.help ??= metadata.help;
    this.metadata.unit ??= metadata.unit;
  }

  /** Adds samples from the sink, which must not change afterwards. */
  add(run: Run): void {
    this.samples += run.samples;
    if (run.hasExemplars && !mayHaveExemplars(run.use.name, this.type)) {
      this.cut();
      this.pieces.push(withoutExemplars(this.sink.bytes.subarray(run.start, run.end)));
    } else if (run.start === this.end) {
      this.end = run.end;
    } else {
      this.cut();
      this.start = run.start;
      this.end = run.end;
    }
  }

  /** Writes metadata and samples. Returns them in pieces. */
  write(format: Format): Buffer[] {
    this.cut();
    const metadata = { ...this.metadata, type: this.type ?? this.metadata.type };
    return [Buffer.from(writeMetadata(this.name, metadata, format), "latin1"), ...this.pieces];
  }

  private cut(): void {
    if (this.end > this.start) this.pieces.push(this.sink.bytes.subarray(this.start, this.end));
    this.start = this.end;
  }
}

/** Whether OpenMetrics allows exemplars on samples with this name in a family of this type. */
function mayHaveExemplars(name: string, type: MetricType | undefined): boolean {
  if (type === "counter") return name.endsWith("_total");
  return (type === "histogram" || type === "gaugehistogram") && name.endsWith("_bucket");
}

/** Removes the exemplars from OpenMetrics samples. */
function withoutExemplars(bytes: Buffer): Buffer {
  const tail = new SampleTail();
  const pieces: Buffer[] = [];
  for (let pos = 0; pos < bytes.length; pos = tail.lineEnd + 1) {
    tail.read(bytes, readSeries(bytes, pos).end);
    pieces.push(
      bytes.subarray(pos, tail.timeEnd || tail.valueEnd),
      bytes.subarray(tail.lineEnd, tail.lineEnd + 1),
    );
  }
  return Buffer.concat(pieces);
}
