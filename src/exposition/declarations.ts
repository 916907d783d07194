import type { Format } from "./format.js";
import type { Metadata, MetadataLine } from "./metadata.js";
import type { MetricType, TypeOf } from "./metric-type.js";

/** What a source says of a family of the answer, whose format may be another one. */
export interface Declaration {
  /** Undefined where it says none. */
  readonly type: MetricType | undefined;
  /** Its HELP and UNIT; what comes later shows up here. */
  readonly metadata: Metadata;
  /** It was made up for samples that have no family of their own in the source: no sample, no family. */
  readonly derived: boolean;
}

/** The families that one source declares, in terms of the answer's format. */
export class Declarations {
  /** By the name of the family. */
  readonly families = new Map<string, Declaration>();
  /** Their types. */
  readonly types: TypeOf = { get: (family) => this.families.get(family)?.type };
  private readonly metadata = new Map<string, Metadata>();

  constructor(
    private readonly from: Format,
    private readonly into: Format,
  ) {}

  /** Adds what a line says; what was said first holds. Answers the name of the family that it is about. */
  add({ family, says }: MetadataLine): string {
    const metadata = this.metadata.get(family) ?? {};
    this.metadata.set(family, metadata);
    const typeIsNew = metadata.type === undefined && says.type !== undefined;
    metadata.type ??= says.type;
    metadata.help ??= says.help;
    metadata.unit ??= says.unit;
    const families = this.convert(family, metadata.type);
    if (typeIsNew && this.families.get(family)?.metadata === metadata) this.families.delete(family);
    for (const [index, { name, type }] of families.entries()) {
      const known = this.families.get(name);
      const derived = index > 0;
      // A family that was made up gives way to one that is the source's own.
      if (known === undefined || (known.derived && !derived))
        this.families.set(name, { type, metadata, derived });
    }
    return families[0]!.name;
  }

  private convert(name: string, type: MetricType | undefined): readonly Family[] {
    return type === undefined || this.from === this.into ? [{ name, type }] : textFamilies(name, type);
  }
}

interface Family {
  readonly name: string;
  readonly type: MetricType | undefined;
}

/**
 * The families in the text format that one in OpenMetrics becomes, as Prometheus' Python client does it: samples
 * keep their names; those that the text format's type does not know are gauges of their own.
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
