import type { Format } from "./format.js";
import type { LabelledSource } from "./labelled-source.js";
import { labelBits, type MetricType, ownerBySuffix, type Part, partsOf, writeType } from "./metric-type.js";
import { fromByteString } from "./quoted.js";

/** Where the samples of one name go that one source has. */
export interface Place {
  /** The family. */
  readonly family: string;
  /** Why they are left out of it; undefined where they are not. */
  readonly misfit: string | undefined;
}

/**
 * Tells which families an answer has, and which samples belong to which.
 *
 * The first source with a type for a family says what it is; a type that the source's own samples contradict does
 * not count. Another source's family of another type is left out. Samples without type join the family if they
 * could be part of it, and are left out if not; where nobody knows a type, each name is a family of its own. A
 * name with a suffix belongs to the family that has such samples, whatever else is said of it: `x_count` is part
 * of the histogram `x`.
 */
export class FamilyPlan {
  /** The type of each family that has one. */
  readonly types = new Map<string, MetricType>();
  /** Of each source the types that hold. */
  private readonly sourceTypes: readonly ReadonlyMap<string, MetricType>[];

  constructor(
    private readonly sources: readonly LabelledSource[],
    private readonly format: Format,
  ) {
    this.sourceTypes = sources.map((source) => source.types());
    // What has samples goes first.
    this.decideTypes((index, family, type) => sources[index]!.hasSamples(family, type));
    this.decideTypes(() => true);
    // An owner's name is shorter than what it owns.
    for (const family of [...this.types.keys()].sort((one, other) => one.length - other.length)) {
      if (this.isOwned(family)) this.types.delete(family);
    }
  }

  /** Whether samples of that name belong to a family of another name. */
  isOwned(family: string): boolean {
    return ownerBySuffix(family, this.types, this.format) !== undefined;
  }

  /** Where the samples of that name go that the source with this index has. */
  place(index: number, name: string): Place {
    const { format, types } = this;
    const ownTypes = this.sourceTypes[index]!;
    const ownFamily = ownerBySuffix(name, ownTypes, format)?.family ?? name;
    const ownType = ownTypes.get(ownFamily);
    const decided = types.get(ownFamily);
    if (ownType !== undefined && decided !== undefined && decided !== ownType) {
      return { family: ownFamily, misfit: this.misfit(`type ${this.word(ownType)}`, decided) };
    }
    const owner = ownerBySuffix(name, types, format);
    const family = owner?.family ?? name;
    const type = types.get(family);
    if (type === undefined) return { family, misfit: undefined };
    const part = owner?.part ?? partsOf(type, format).find(({ suffix }) => suffix === "");
    if (part === undefined) return { family, misfit: this.misfit(`samples called ${name}`, type) };
    if (this.sources[index]!.has(name, part.label)) return { family, misfit: undefined };
    return { family, misfit: this.misfit(`samples called ${name} without ${labelOf(part, family)}`, type) };
  }

  private decideTypes(counts: (index: number, family: string, type: MetricType) => boolean): void {
    for (const [index, sourceTypes] of this.sourceTypes.entries()) {
      for (const [family, type] of sourceTypes) {
        if (!this.types.has(family) && counts(index, family, type)) this.types.set(family, type);
      }
    }
  }

  private misfit(what: string, type: MetricType): string {
    return fromByteString(`${what}, but ${this.word(type)} in the first source`);
  }

  private word(type: MetricType): string {
    return writeType(type, this.format);
  }
}

function labelOf(part: Part, family: string): string {
  if (part.label === labelBits.own) return family;
  return part.label === labelBits.le ? "le" : "quantile";
}
