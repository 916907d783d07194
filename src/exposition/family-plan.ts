import type { Format } from "./format.js";
import type { LabelledSource } from "./labelled-source.js";
import { labelBits, type MetricType, ownerBySuffix, type Part, partsOf, writeType } from "./metric-type.js";
import { fromByteString } from "./series.js";
import { inSteps, type Steps } from "./steps.js";

/** The family for the samples of one name in one source. */
export interface Place {
  readonly family: string;
  /** Why the samples are left out; undefined if they are not. */
  readonly conflict: string | undefined;
}

/**
 * Decides which families the merged exposition has, and which samples belong to which family.
 *
 * - The first source that declares a type for a family decides. A type that the source's own samples contradict does
 *   not count.
 * - A family that has another type in another source is left out there.
 * - Samples without a type join the family if they can be part of it, else they are left out. If no source declares a
 *   type, each name is a family of its own.
 * - A name with a suffix belongs to the family with such samples, whatever else is declared: `x_count` is part of the
 *   histogram `x`.
 */
export class FamilyPlan {
  /** The type of each family that has one. */
  readonly types = new Map<string, MetricType>();
  /** The valid types of each source. */
  private readonly sourceTypes: ReadonlyMap<string, MetricType>[] = [];

  private constructor(
    private readonly sources: readonly LabelledSource[],
    private readonly format: Format,
  ) {}

  static *create(sources: readonly LabelledSource[], format: Format): Steps<FamilyPlan> {
    const plan = new FamilyPlan(sources, format);
    for (const source of sources) plan.sourceTypes.push(yield* source.types());
    // Families with samples take precedence.
    yield* plan.decideTypes((index, family, type) => sources[index]!.hasSamples(family, type));
    yield* plan.decideTypes(() => true);
    yield* plan.dropOwned();
    return plan;
  }

  /** Whether samples with this name belong to a family with another name. */
  isOwned(family: string): boolean {
    return ownerBySuffix(family, this.types, this.format) !== undefined;
  }

  /** Finds the family for the samples with this name in the source with this index. */
  place(index: number, name: string): Place {
    const { format, types } = this;
    if (types.size === 0) return { family: name, conflict: undefined };
    const ownTypes = this.sourceTypes[index]!;
    const ownFamily = ownerBySuffix(name, ownTypes, format)?.family ?? name;
    const ownType = ownTypes.get(ownFamily);
    const decided = types.get(ownFamily);
    if (ownType !== undefined && decided !== undefined && decided !== ownType) {
      return { family: ownFamily, conflict: this.conflict(`type ${writeType(ownType, format)}`, decided) };
    }
    const owner = ownerBySuffix(name, types, format);
    const family = owner?.family ?? name;
    const type = types.get(family);
    if (type === undefined) return { family, conflict: undefined };
    const part = owner?.part ?? partsOf(type, format).find(({ suffix }) => suffix === "");
    if (part === undefined) return { family, conflict: this.conflict(`samples named ${name}`, type) };
    if (this.sources[index]!.has(name, part.label)) return { family, conflict: undefined };
    return {
      family,
      conflict: this.conflict(`samples named ${name} without label ${labelOf(part, family)}`, type),
    };
  }

  private *decideTypes(counts: (index: number, family: string, type: MetricType) => boolean): Steps<void> {
    for (const [index, sourceTypes] of this.sourceTypes.entries()) {
      yield* inSteps(sourceTypes, ([family, type]) => {
        if (!this.types.has(family) && counts(index, family, type)) this.types.set(family, type);
      });
    }
  }

  /** Drops the types of families whose name belongs to another family. */
  private *dropOwned(): Steps<void> {
    const byLength = new Map<number, string[]>();
    yield* inSteps(this.types.keys(), (family) => {
      const { length } = family;
      const alike = byLength.get(length);
      if (alike === undefined) byLength.set(length, [family]);
      else alike.push(family);
    });
    // The name of an owner is shorter than the names that it owns.
    for (const length of [...byLength.keys()].sort((one, other) => one - other)) {
      yield* inSteps(byLength.get(length)!, (family) => {
        if (this.isOwned(family)) this.types.delete(family);
      });
    }
  }

  private conflict(what: string, type: MetricType): string {
    return fromByteString(`${what}, but ${writeType(type, this.format)} in the first source`);
  }
}

function labelOf(part: Part, family: string): string {
  if (part.label === labelBits.own) return family;
  return part.label === labelBits.le ? "le" : "quantile";
}
