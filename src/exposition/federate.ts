import { ByteSink } from "./byte-sink.js";
import { LINE_FEED } from "./bytes.js";
import { Declarations } from "./declarations.js";
import type { Format } from "./format.js";
import { type Metadata, writeMetadata } from "./metadata.js";
import { type MetricType, ownerBySuffix } from "./metric-type.js";
import { writeTimestamp } from "./number.js";
import { SampleCopier } from "./sample-copier.js";
import { toByteString, writeSeries } from "./series.js";
import type { Source } from "./source.js";
import { inSteps, type Steps } from "./steps.js";

/** An attempt to scrape a target. */
export interface Report extends Pick<Source, "labels"> {
  /** Start in milliseconds since the Unix epoch. */
  readonly timestamp: number;
  readonly up: boolean;
  /** In seconds. */
  readonly duration: number;
  readonly samples: number;
}

/** The metrics about scrapes, as in Prometheus. */
const reportMetrics = new Map<string, { readonly help: string; readonly read: (report: Report) => number }>([
  ["up", { help: "Whether the scrape of the target succeeded: 1 or 0.", read: ({ up }) => Number(up) }],
  [
    "scrape_duration_seconds",
    // Nodes exchange milliseconds, and all must send the same value.
    {
      help: "Duration of the scrape.",
      read: ({ duration }) => Math.max(0, Math.round(duration * 1000)) / 1000,
    },
  ],
  ["scrape_samples_scraped", { help: "Samples in the response.", read: ({ samples }) => samples }],
]);

/**
 * Produces one exposition from many sources, one source at a time. It remembers only the names of families and metrics,
 * so memory does not grow with the output.
 *
 * The output contains every sample of every source, except those that would be in the same series as
 * a metric about scrapes. HELP and TYPE
 * precede the first sample of a family and are not repeated, even if a later source declares another type. That
 * satisfies Prometheus, and strict parsers of the text format. Strict parsers of OpenMetrics require contiguous families.
 */
export class Federation {
  private readonly sink = new ByteSink(0);
  private readonly copier: SampleCopier;
  private readonly families: FederatedFamilies;
  private hasReports = false;
  /** Output bytes per input byte of the previous source. */
  private growth = 1.5;

  /** @param into OpenMetrics only if all sources are OpenMetrics. */
  constructor(private readonly into: Format) {
    this.copier = new SampleCopier(this.sink, into, false);
    this.families = new FederatedFamilies(into);
  }

  /**
   * Writes the metrics about scrapes. To be called before the first source. The caller owns the returned bytes.
   *
   * @param reports for each series in the order of their timestamps.
   */
  *report(reports: readonly Report[]): Steps<Buffer> {
    const { families, into, sink } = this;
    sink.renew(300 * reports.length);
    if (reports.length === 0) return sink.written();
    this.hasReports = true;
    families.begin();
    for (const [name, { help, read }] of reportMetrics) {
      const declarations = new Declarations(into, into);
      declarations.add({ family: name, metadata: { type: "gauge", help } });
      sink.write(families.introduce(name, declarations));
      yield* inSteps(reports, (report) => {
        sink.write(`${seriesOf(name, report)} ${read(report)} ${writeTimestamp(report.timestamp, into)}\n`);
      });
    }
    return sink.written();
  }

  /**
   * Converts the next source. The caller owns the returned bytes. Finish one source before starting the next, or end it
   * with `return()`: then it leaves no trace.
   */
  *add(source: Source): Steps<Buffer> {
    const { families, sink } = this;
    const declarations = new Declarations(source.format, this.into);
    const { length } = source.bytes;
    sink.renew(1.02 * this.growth * length);
    families.begin();
    const conflicting = new Set<string>();
    let done = false;
    try {
      yield* this.copier.copy(source, {
        metadata: (line) => declarations.add(line),
        enter: ({ name }) => {
          if (this.hasReports && reportMetrics.has(name)) conflicting.add(name);
          const metadata = families.introduce(name, declarations);
          if (metadata !== "") sink.write(metadata);
        },
        sample: () => undefined,
      });
      for (const name of conflicting) yield* removeLines(sink, `${seriesOf(name, source)} `);
      done = true;
    } finally {
      if (!done) families.undo();
    }
    if (length > 0) this.growth = sink.length / length;
    return sink.written();
  }

  /** What follows the last source. */
  end(): Buffer {
    return Buffer.from(this.into === "openmetrics" ? "# EOF\n" : "");
  }
}

/** A series that has only the labels of a source. */
function seriesOf(name: string, { labels }: Pick<Source, "labels">): string {
  const written = labels.filter(([, value]) => value !== "");
  return writeSeries({ name, labels: written.map(([label, value]) => [label, toByteString(value)]) });
}

/** Removes the lines that start with a byte string. */
function* removeLines(sink: ByteSink, start: string): Steps<void> {
  const bytes = sink.written();
  let [to, from] = [0, 0];
  for (let at = bytes.indexOf(start, 0, "latin1"); at >= 0; at = bytes.indexOf(start, from, "latin1")) {
    const isLine = at === 0 || bytes[at - 1] === LINE_FEED;
    const next = isLine ? at : at + start.length;
    bytes.copyWithin(to, from, next);
    to += next - from;
    from = isLine ? bytes.indexOf(LINE_FEED, at) + 1 : next;
    yield;
  }
  bytes.copyWithin(to, from);
  sink.length = to + bytes.length - from;
}

/** The families of the output so far, as a strict parser sees them. */
class FederatedFamilies {
  /** By name; unknown if no type was declared before the first sample. */
  private readonly types = new Map<string, MetricType>();
  /** Names of the samples so far. */
  private readonly metrics = new Set<string>();
  /** What the current source has added. */
  private added: { set: Map<string, unknown> | Set<string>; name: string }[] = [];

  constructor(private readonly into: Format) {}

  begin(): void {
    this.added = [];
  }

  /** Forgets what the current source has added. */
  undo(): void {
    for (const { set, name } of this.added) set.delete(name);
  }

  /** Returns the HELP and TYPE lines to write before samples with this name; empty if the family has been introduced. */
  introduce(name: string, { families, types }: Declarations): string {
    if (this.metrics.has(name)) return "";
    this.metrics.add(name);
    this.added.push({ set: this.metrics, name });
    const family = ownerBySuffix(name, types, this.into)?.family ?? name;
    const declaration = families.get(family);
    const metadata = this.declare(family, { ...declaration?.metadata, type: declaration?.type });
    // If the family could not be declared, parsers treat these samples as a family of their own.
    this.declare(name, {});
    return metadata;
  }

  private declare(family: string, metadata: Metadata): string {
    // Parsers treat the name `x_count` as part of the histogram `x`, also in HELP and TYPE.
    if (this.types.has(family) || ownerBySuffix(family, this.types, this.into)) return "";
    this.types.set(family, metadata.type ?? "unknown");
    this.added.push({ set: this.types, name: family });
    return writeMetadata(family, metadata, this.into);
  }
}
