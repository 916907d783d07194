import type { Format } from "./format.js";
import type { Metadata, MetadataLine } from "./metadata.js";
import type { MetricType, TypeOf } from "./metric-type.js";

/** What a source declares about a family, after conversion to the output format. */
export interface Declaration {
  /** Undefined if the source declares none. */
  readonly type: MetricType | undefined;
  /** HELP and UNIT. Later lines of the source update it. */
  readonly metadata: Metadata;
  /** Created by the conversion for samples without a family of their own in the source; omitted without samples. */
  readonly derived: boolean;
}

/** The families that one source declares, converted to the output format. */
export class Declarations {
  /** By family name. */
  readonly families = new Map<string, Declaration>();
  /** The types of the families. */
  readonly types: TypeOf = { get: (family) => this.families.get(family)?.type };
  private readonly metadata = new Map<string, Metadata>();

  constructor(
    private readonly from: Format,
    private readonly into: Format,
  ) {}

  /** Adds a metadata line. Of several lines of one kind, the first counts. Returns the name of the family. */
  add({ family, metadata: line }: MetadataLine): string {
    const metadata = this.metadata.get(family) ?? {};
    this.metadata.set(family, metadata);
    const typeIsNew = metadata.type === undefined && line.type !== undefined;
    metadata.type ??= line.type;
    metadata.help ??= line.help;
    metadata.unit ??= line.unit;
    const declared = metadata.type;
    const unchanged = declared === undefined || this.from === this.into;
    const families = unchanged ? [{ name: family, type: declared }] : textFamilies(family, declared);
    if (typeIsNew && this.families.get(family)?.metadata === metadata) this.families.delete(family);
    for (const [index, { name, type }] of families.entries()) {
      const known = this.families.get(name);
      const derived = index > 0;
      // A family that the source declares replaces a derived one.
      if (known === undefined || (known.derived && !derived))
        this.families.set(name, { type, metadata, derived });
    }
    return families[0]!.name;
  }
}

interface Family {
  readonly name: string;
  readonly type: MetricType | undefined;
}

/**
 * Converts an OpenMetrics family to families of the text format, like Prometheus' Python client: samples keep their
 * names; those that the type does not include in the text format become gauges.
 */
function textFamilies(name: string, type: MetricType): readonly Family[] {
  const gauge = (suffix: string): Family => ({ name: name + suffix, type: "gauge" });
  switch (type) {
    case "counter":
      return [{ name: `${name}_total`, type }, gauge("_created")];
    case "histogram":
    case "summary":
      return [{ name, type }, gauge("_created")];
    case "gaugehistogram":
      return [{ name, type: "histogram" }, gauge("_gsum"), gauge("_gcount")];
    case "info":
      return [gauge("_info")];
    case "stateset":
      return [gauge("")];
    default:
      return [{ name, type }];
  }
}
