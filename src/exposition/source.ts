import { hashText, viewOf } from "./bytes.js";
import type { Format } from "./format.js";
import { escapeQuoted, type Label, toByteString, writeLabels } from "./series.js";

/** One exposition to merge or federate. */
export interface Source {
  /** A complete, valid, uncompressed exposition. It is never modified. */
  readonly bytes: Buffer;
  readonly format: Format;
  /**
   * Labels to add to every sample, such as `[["instance", "shop_web.1"]]`. Names must be unique. A label with an empty
   * value is not added.
   */
  readonly labels: readonly (readonly [name: string, value: string])[];
  /** Timestamp for samples without one, in whole milliseconds since the Unix epoch. */
  readonly timestamp?: number | undefined;
}

/**
 * Where labels are added to a series: after `{`, after the quoted metric name in braces, or in new braces after the
 * name. The values are indexes into `AddedLabels.inserts`.
 */
export const places = { first: 0, next: 1, braced: 2 } as const;

/** The labels that are added to the samples of a source. */
export class AddedLabels {
  readonly labels: readonly Label[];
  readonly names: readonly string[];
  /** The names with escapes. */
  readonly spelledNames: readonly string[];
  /** The labels as written at each of the places. */
  readonly inserts: readonly Insert[];
  /** Sum of the hashes of the labels. */
  readonly hash: number;

  constructor(labels: Source["labels"], salt: number) {
    this.labels = labels
      .filter(([, value]) => value !== "")
      .map(([name, value]) => [toByteString(name), toByteString(value)]);
    this.names = this.labels.map(([name]) => name);
    this.spelledNames = this.names.map(escapeQuoted);
    const list = writeLabels(this.labels);
    this.inserts = (list === "" ? ["", "", ""] : [`${list},`, `,${list}`, `{${list}}`]).map(toInsert);
    this.hash = this.labels.reduce(
      (sum, [name, value]) => (sum + hashText(escapeQuoted(value), hashText(escapeQuoted(name), salt))) | 0,
      0,
    );
  }
}

const exportedPrefix = "exported_";

/**
 * The prefix that each label of a sample needs when the labels `added` are added. As in Prometheus with
 * `honor_labels: false`, a label with the same name is renamed to `exported_<name>`; the prefix is repeated until the
 * name is unique. Shorter names are renamed first.
 *
 * @param names label names of the sample.
 */
export function exportedPrefixes(names: readonly string[], added: readonly string[]): string[] {
  const prefixes = names.map(() => "");
  if (!added.some((name) => names.includes(name))) return prefixes;
  const taken = new Set([...names, ...added]);
  const conflicting = [...names.keys()].filter((index) => added.includes(names[index]!));
  conflicting.sort((one, other) => names[one]!.length - names[other]!.length);
  for (const index of conflicting) {
    let prefix = exportedPrefix;
    while (taken.has(prefix + names[index])) prefix += exportedPrefix;
    taken.add(prefix + names[index]);
    prefixes[index] = prefix;
  }
  return prefixes;
}

/** A byte string prepared for copying into a sink. */
export interface Insert {
  readonly length: number;
  /** Longer than `length`, because a sink copies faster if bytes follow. */
  readonly view: DataView;
}

/** Prepares a byte string for copying into a sink. */
export function toInsert(text: string): Insert {
  return { length: text.length, view: viewOf(Buffer.from(`${text}${" ".repeat(8)}`, "latin1")) };
}
