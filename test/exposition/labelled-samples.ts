import type { Source } from "../../src/exposition/source.js";
import { type ReadSample, readExposition, sampleKey } from "../support/exposition-reader.js";

/** The samples of a source with its labels put in, the simple way. */
export function withLabels({ bytes, format, labels: put }: Source): ReadSample[] {
  return readExposition(bytes, format).samples.map((sample) => {
    const labels = new Map(sample.labels);
    for (const [name, value] of put) {
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

/** A sample as it is compared: exemplars may go where a strict parser does not take them. */
export function withoutExemplar(sample: ReadSample): string {
  return sampleKey({ ...sample, exemplar: undefined });
}
