import { ByteSink } from "./byte-sink.js";
import { Declarations } from "./declarations.js";
import { writeMetadata } from "./metadata.js";
import { type MetricType, ownerBySuffix } from "./metric-type.js";
import { SampleCopier } from "./sample-copier.js";
import type { Source } from "./source.js";
import type { Steps } from "./steps.js";

/**
 * Produces one exposition in text format 0.0.4 from many sources, one source at a time. It remembers only the names of
 * families and metrics, so memory does not grow with the output.
 *
 * The output contains every sample of every source. HELP and TYPE precede the first sample of a family and are not
 * repeated, even if a later source declares another type. That satisfies Prometheus and strict parsers.
 */
export class Federation {
  private readonly sink = new ByteSink(0);
  private readonly copier = new SampleCopier(this.sink, "text", false);
  private readonly families = new FederatedFamilies();
  /** Output bytes per input byte of the previous source. */
  private growth = 1.5;

  /**
   * Converts the next source. The caller owns the returned bytes. Finish one source before starting the next, or end it
   * with `return()`: then it leaves no trace.
   */
  *add(source: Source): Steps<Buffer> {
    const { families, sink } = this;
    const declarations = new Declarations(source.format, "text");
    const { length } = source.bytes;
    sink.renew(1.02 * this.growth * length);
    families.begin();
    let done = false;
    try {
      yield* this.copier.copy(source, {
        metadata: (line) => declarations.add(line),
        enter: ({ name }) => {
          const metadata = families.introduce(name, declarations);
          if (metadata !== "") sink.write(metadata);
        },
        sample: () => undefined,
      });
      done = true;
    } finally {
      if (!done) families.undo();
    }
    if (length > 0) this.growth = sink.length / length;
    return sink.written();
  }
}

/** The families of the output so far, as a strict parser of the text format sees them. */
class FederatedFamilies {
  /** By name; unknown if no type was declared before the first sample. */
  private readonly types = new Map<string, MetricType>();
  /** Names of the samples so far. */
  private readonly metrics = new Set<string>();
  /** What the current source has added. */
  private added: { set: Map<string, unknown> | Set<string>; name: string }[] = [];

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
    const family = ownerBySuffix(name, types, "text")?.family ?? name;
    const metadata = this.declare(family, families.get(family)?.type, families.get(family)?.metadata.help);
    // If the family could not be declared, parsers treat these samples as a family of their own.
    this.declare(name, undefined, undefined);
    return metadata;
  }

  private declare(family: string, type: MetricType | undefined, help: string | undefined): string {
    // Parsers treat the name `x_count` as part of the histogram `x`, also in HELP and TYPE.
    if (this.types.has(family) || ownerBySuffix(family, this.types, "text")) return "";
    this.types.set(family, type ?? "unknown");
    this.added.push({ set: this.types, name: family });
    return writeMetadata(family, { type, help }, "text");
  }
}
