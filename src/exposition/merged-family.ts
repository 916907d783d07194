import type { ByteSink } from "./byte-sink.js";
import type { Declaration } from "./declarations.js";
import { mayHaveExemplars, withoutExemplars } from "./exemplars.js";
import { writeHeader } from "./family-header.js";
import type { Format } from "./format.js";
import type { Run } from "./labelled-source.js";
import type { Metadata } from "./metadata.js";
import type { MetricType } from "./metric-type.js";

/** A family of an answer, gathered from its sources. */
export class MergedFamily {
  samples = 0;
  private readonly said: Metadata = {};
  private readonly pieces: Buffer[] = [];
  /** The piece that is not cut out yet, as samples of the family may follow it. */
  private start = 0;
  private end = 0;

  constructor(
    private readonly name: string,
    /** Undefined where no source has one that holds. */
    private readonly type: MetricType | undefined,
    private readonly sink: ByteSink,
  ) {}

  /** Takes over what a source says of it, unless another one said it before, or means something else. */
  describe({ type, metadata }: Declaration): void {
    if (type !== undefined && type !== "unknown" && this.type !== undefined && type !== this.type) return;
    if (type === "unknown") this.said.type = type;
    this.said.help ??= metadata.help;
    this.said.unit ??= metadata.unit;
  }

  /** Takes samples from the sink, which is not written to any more. */
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

  /** All of it, in pieces. */
  write(format: Format): Buffer[] {
    this.cut();
    const header = writeHeader(this.name, { ...this.said, type: this.type ?? this.said.type }, format);
    return [Buffer.from(header, "latin1"), ...this.pieces];
  }

  private cut(): void {
    if (this.end > this.start) this.pieces.push(this.sink.bytes.subarray(this.start, this.end));
    this.start = this.end;
  }
}
