import { viewOf } from "./byte-sink.js";
import { hashText } from "./hash.js";
import { escapeQuoted, toByteString } from "./quoted.js";
import { type Label, writeLabels } from "./series.js";
import type { Source } from "./source.js";

const prefix = "exported_";

/** Where labels are put into a series: behind its `{`, behind the quoted name in it, or where braces are to come. */
export const places = { first: 0, next: 1, braced: 2 } as const;

/** The labels that a source's samples get. */
export class PutLabels {
  readonly labels: readonly Label[];
  readonly names: readonly string[];
  /** They, written for each of the places. */
  readonly inserts: readonly Insert[];
  /** The sum of the hashes of the labels. */
  readonly hash: number;

  constructor(labels: Source["labels"]) {
    this.labels = labels
      .filter(([, value]) => value !== "")
      .map(([name, value]) => [toByteString(name), toByteString(value)]);
    this.names = this.labels.map(([name]) => name);
    const list = writeLabels(this.labels);
    this.inserts = (list === "" ? ["", "", ""] : [`${list},`, `,${list}`, `{${list}}`]).map(toInsert);
    this.hash = this.labels.reduce(
      (sum, [name, value]) => (sum + hashText(escapeQuoted(value), hashText(name, 0))) | 0,
      0,
    );
  }
}

/**
 * What goes before the name of each of a sample's labels, when the labels `put` are put in, as Prometheus does it
 * with `honor_labels: false`: a label of the same name becomes `exported_<name>`, the prefix repeated until there
 * is no such label. Shorter names go first.
 */
export function exportedPrefixes(names: readonly string[], put: readonly string[]): string[] {
  const prefixes = names.map(() => "");
  const taken = new Set([...names, ...put]);
  const clashes = [...names.keys()].filter((index) => put.includes(names[index]!));
  clashes.sort((one, other) => names[one]!.length - names[other]!.length);
  for (const index of clashes) {
    let exported = prefix;
    while (taken.has(exported + names[index])) exported += prefix;
    taken.add(exported + names[index]);
    prefixes[index] = exported;
  }
  return prefixes;
}

/** A byte string to be copied into a sink, and how long it is. */
export interface Insert {
  readonly length: number;
  /** There is more behind it, so that a sink copies it faster. */
  readonly view: DataView;
}

/** Makes a byte string one that can be copied. */
export function toInsert(text: string): Insert {
  return { length: text.length, view: viewOf(Buffer.from(`${text}${" ".repeat(8)}`, "latin1")) };
}
