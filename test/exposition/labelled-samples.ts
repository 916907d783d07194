import type { Source } from "../../src/exposition/source.js";
import { type ReadSample, readExposition, sampleKey } from "../support/exposition-reader.js";

/** Adds the labels of a source to its samples. A simple reference implementation. */
export function withLabels({ bytes, format, labels: added }: Source): ReadSample[] {
  return readExposition(bytes, format).samples.map((sample) => {
    const labels = new Map(sample.labels);
    for (const [name, value] of added) {
      const own = labels.get(name);
      labels.set(name, value);
      if (own === undefined) continue;
      let exported = `exported_${name}`;
      while (labels.has(exported)) exported = `exported_${exported}`;
      labels.set(exported, own);
    }
    return { ...sample, labels: [...labels].sort(([one], [other]) => (one < other ? -1 : 1)) };
  });
}

/** A key for comparisons that ignores the exemplar, because a merge drops those that strict parsers reject. */
export function withoutExemplar(sample: ReadSample): string {
  return sampleKey({ ...sample, exemplar: undefined });
}
