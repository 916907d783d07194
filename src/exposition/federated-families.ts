import type { Declarations } from "./declarations.js";
import { writeHeader } from "./family-header.js";
import { type MetricType, ownerBySuffix } from "./metric-type.js";

/** Which families a federated answer has so far, as a strict parser of the text format sees it. */
export class FederatedFamilies {
  /** By name; unknown where none was said before the first sample. */
  private readonly types = new Map<string, MetricType>();
  /** The metrics that have come. */
  private readonly metrics = new Set<string>();

  /**
   * To be called before samples of that name. Answers what is to be said above them, once for each family, from
   * what their source declares.
   */
  introduce(name: string, { families, types }: Declarations): string {
    if (this.metrics.has(name)) return "";
    this.metrics.add(name);
    const family = ownerBySuffix(name, types, "text")?.family ?? name;
    const header = this.declare(family, families.get(family)?.type, families.get(family)?.metadata.help);
    // Where nothing could be said of the family, its samples are read as a family of their own.
    this.declare(name, undefined, undefined);
    return header;
  }

  private declare(family: string, type: MetricType | undefined, help: string | undefined): string {
    // A parser takes the name of `x_count` for a part of the histogram `x`, also in HELP and TYPE.
    if (this.types.has(family) || ownerBySuffix(family, this.types, "text")) return "";
    this.types.set(family, type ?? "unknown");
    return writeHeader(family, { type, help }, "text");
  }
}
