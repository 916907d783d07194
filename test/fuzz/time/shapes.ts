import { hashBytes, hashText, viewOf } from "../../../src/exposition/bytes.js";
import type { Format } from "../../../src/exposition/format.js";
import { maxLabels } from "../../../src/exposition/label-set.js";
import { maxNames } from "../../../src/exposition/labelled-source.js";
import { maxLineBytes } from "../../../src/exposition/validator.js";
import type { Random } from "../random.js";

/** Writes line number `index` of an exposition. */
type Line = (index: number, random: Random) => string;

/** A kind of exposition whose size can be chosen. */
export interface Shape {
  readonly format: Format;
  /** Number of sources in a merge. Each has this share of the bytes. Default: 2 */
  readonly sources?: number;
  /** Creates source number `source` with about `bytes` bytes. It is valid in the format. */
  readonly make: (bytes: number, random: Random, source: number) => string;
}

const text = (line: Line): Shape => ({
  format: "text",
  make: (bytes, random) => repeat(line, bytes, random),
});
const openMetrics = (line: Line): Shape => ({
  format: "openmetrics",
  make: (bytes, random) => `${repeat(line, bytes, random)}# EOF\n`,
});
/** One line that is nearly as long as the whole exposition. */
const single = (line: (bytes: number) => string): Shape => ({
  format: "text",
  make: (bytes) => {
    const count = Math.ceil(bytes / (maxLineBytes - 1000));
    return `${line(Math.floor(bytes / count))}\n`.repeat(count);
  },
});
const singleOpenMetrics = (line: (bytes: number) => string): Shape => ({
  format: "openmetrics",
  make: (bytes, ...rest) => `${single(line).make(bytes, ...rest)}# EOF\n`,
});

function repeat(line: Line, bytes: number, random: Random): string {
  const lines: string[] = [];
  for (let length = 0, index = 0; length < bytes; index++) {
    lines.push(line(index, random));
    length += lines.at(-1)!.length + 1;
  }
  return `${lines.join("\n")}\n`;
}

const values = ["v", "value", "a much longer value than the others"];
const labelled = (name: string, count: number, label: (index: number) => string, value: () => string) =>
  `${name}{${Array.from({ length: count }, (_, index) => `${label(index)}="${value()}"`).join(",")}} 1`;
/** Lines with the same label names, whose values differ in length from line to line. */
const manyLabels = (count: number): Shape =>
  text((index, random) =>
    labelled(
      `m${index % 3}`,
      count,
      (label) => `l${label}`,
      () => random.pick(values),
    ),
  );

/** Values whose series have the hash of the series `a{b="<value>"}`. */
function* colliding(value: string): Generator<string> {
  const seed = hashText("b", 0);
  const hash = hashText(value, seed);
  const bytes = Buffer.alloc(12);
  for (let number = 0; ; number++) {
    bytes.write(number.toString(36).padStart(8, "0"), 0, "latin1");
    const candidate = solveLastFour(bytes, seed, hash);
    if (candidate !== undefined) yield candidate;
  }
}

/** Chooses the last four bytes so that the hash has a certain value; undefined if they are not plain text. */
function solveLastFour(bytes: Buffer, seed: number, hash: number): string | undefined {
  // The hash is the same function of `state` for all texts of one length, so it can be computed backwards.
  const inverse = 0xe59b19bd;
  const unshift = (mixed: number, by: number): number => {
    let result = mixed;
    for (let shift = by; shift < 32; shift += by) result = mixed ^ (result >>> by);
    return result;
  };
  let wanted = unshift(hash, 15);
  wanted = unshift(Math.imul(wanted, inverse), 13);
  wanted = Math.imul(unshift(wanted, 15), inverse);
  let state = seed ^ bytes.length;
  for (let pos = 0; pos < 8; pos += 4) {
    state = Math.imul(state ^ bytes.readInt32LE(pos), 0x5bd1e995);
    state ^= state >>> 15;
  }
  bytes.writeInt32LE(wanted ^ state, 8);
  const found = bytes.toString("latin1");
  if (!/^[a-zA-Z0-9 ._-]+$/.test(found)) return undefined;
  return hashBytes(viewOf(bytes), 0, 12, seed) === hash ? found : undefined;
}

/** Shapes beside the usual one: each stresses another part of the code. */
export const shapes: Readonly<Record<string, Shape>> = {
  "most labels": manyLabels(maxLabels - 10),
  "1000 labels": manyLabels(1000),
  "100 labels": manyLabels(100),
  "labels of different lengths": text((_, random) =>
    labelled(
      "a",
      3,
      (label) => `l${label}`,
      () => "v".repeat(random.below(30) + 1) + random.below(1e6),
    ),
  ),
  "17 labels": manyLabels(17),
  "16 labels": manyLabels(16),
  "labels with a common prefix": text((_, random) =>
    labelled(
      "a",
      16,
      (label) => `${"l".repeat(300)}${label + 10}`,
      () => random.pick(values),
    ),
  ),
  "numeric label names": text((index) =>
    labelled(
      "a",
      Math.min(60_000, maxLabels - 10),
      (label) => `"${65_536 * (label + 1)}"`,
      () => `v${index}`,
    ),
  ),
  "numeric metric names": text((index) => `{"${65_536 * (1 + (index % 65_000))}",a="${index}"} 1`),
  "numeric families": text((index) => `# TYPE "${65_536 * (1 + (index % 65_000))}" counter`),
  "different labels in each line": text((index) => `a{l${index}="v"} 1`),
  "20 different labels in each line": text((index) =>
    labelled(
      "a",
      20,
      (label) => `l${index}_${label}`,
      () => "v",
    ),
  ),
  "labels in random order": text((index, random) =>
    labelled(
      "a",
      12,
      (label) => `l${label < 6 ? label : 6 + random.below(1e6) * 6 + label}`,
      () => `${index}`,
    ),
  ),
  "renamed labels": text((index) =>
    labelled(
      "a",
      40,
      (label) => `${"exported_".repeat(label)}instance`,
      () => `${index}`,
    ),
  ),
  "many names": text((index) => `m${index % maxNames} 1`),
  "many families": text((index) => `# HELP m${index} h\n# TYPE m${index} counter\nm${index} 1`),
  "many histograms": text(
    (index) =>
      `# TYPE m${index} histogram\nm${index}_bucket{le="+Inf"} 1\nm${index}_sum 1\nm${index}_count 1`,
  ),
  "alternating names": text((index) => `${index % 2 ? "a" : "b"}{l="${index >> 1}"} 1`),
  buckets: text((index) =>
    Array.from({ length: 500 }, (_, le) => `h_bucket{route="r${index}",le="${le}"} ${le}`).join("\n"),
  ),
  "HELP of one family": text((index) => `# HELP a text ${index}`),
  "HELP of many families": text((index) => `# HELP m${index} text`),
  "long HELP": single((bytes) => `# HELP a ${"x".repeat(bytes)}`),
  "HELP of escapes": single((bytes) => `# HELP a ${"\\n".repeat(bytes / 2)}`),
  comments: text((index) => `# comment ${index}`),
  "long comment": single((bytes) => `# ${"x".repeat(bytes)}`),
  "blank lines": text(() => ""),
  "shortest different lines": text((index) => `a{b="${index.toString(36)}"} 1`),
  "shortest lines": text(() => "a 1"),
  "different short lines": text((index) => `a{b="${index.toString(36)}"}1`),
  duplicates: text(() => 'a{b="value",c="value"} 1'),
  "duplicates with other values": text((index) => `a{b="value",c="value"} ${index}`),
  "long duplicates": text(() =>
    labelled(
      "a",
      300,
      (label) => `l${label}`,
      () => "v",
    ),
  ),
  "same hash as a long line": {
    format: "text",
    make: (bytes, random) => {
      const long = "x".repeat(Math.min(bytes / 2, maxLineBytes - 1000));
      const others = colliding(long);
      return `a{b="${long}"} 1\n${repeat(() => `a{b="${others.next().value}"} 1`, bytes / 2, random)}`;
    },
  },
  "same hash": {
    format: "text",
    make: (bytes, random) => {
      const others = colliding("value");
      return repeat(() => `a{b="${others.next().value}"} 1`, bytes, random);
    },
  },
  escapes: text((index) => `a{b="${'\\\\\\"\\n'.repeat(30)}${index}"} 1`),
  "escapes in different lines": text((index) => `a{l${index}="${'\\\\\\"\\n'.repeat(30)}"} 1`),
  "unknown escapes": text((index) => `a{b="${"\\q".repeat(60)}${index}"} 1`),
  "escapes in names": text((index) => `{"a\\"\\n\\\\","l\\n${index}"="v"} 1`),
  "long run of escapes": single((bytes) => `a{b="${"\\\\".repeat(bytes / 2)}"} 1`),
  "long value": single((bytes) => `a{b="${"x".repeat(bytes)}"} 1`),
  "long non-ASCII value": single((bytes) => `a{b="${"é".repeat(bytes / 2)}"} 1`),
  "long name": single((bytes) => `${"x".repeat(bytes)} 1`),
  "long quoted name": single((bytes) => `{"${" ".repeat(bytes)}"} 1`),
  "long label name": single((bytes) => `a{${"x".repeat(bytes)}="v"} 1`),
  "long number": single((bytes) => `a 0.${"1".repeat(bytes)}`),
  "long blanks": single((bytes) => `a ${" ".repeat(bytes)}1`),
  "long exemplar": singleOpenMetrics((bytes) => `a_total 1 # {b="${"x".repeat(bytes)}"} 1`),
  "long timestamp": singleOpenMetrics((bytes) => `a 1 1.${"1".repeat(bytes)}`),
  "spaces and tabs": text((index) => `a \t{ b = "${index}" , c\t= "x" , } \t 1 \t`),
  "no commas": text((index) => `a{b="${index}"c="x"d="y"} 1`),
  "blanks at the end": text((index) => `a{b="${index}"} 1 `),
  "trailing commas": text((index) => `a{b="${index}",} 1`),
  "empty values": text((index) => `a{b="${index}",c="",d=""} 1`),
  "line feeds in values": text((index) => `a{b="${"\n\n".repeat(20)}${index}"} 1`),
  "one value of line feeds": single((bytes) => `a{b="${"\n".repeat(bytes)}"} 1`),
  "NUL in values": text((index) => `a{b="\0${index}"} 1`),
  "non-ASCII values": text((index) => `a{b="größe ${index}",c="日本語"} 1`),
  "comment with invalid UTF-8": text((index) => (index % 20 ? `a{b="${index}",c="x"} 1` : "# \xff")),
  timestamps: text((index) => `a{b="${index}"} 1 ${1_700_000_000_000 + index}`),
  "timestamps of OpenMetrics": openMetrics(
    (index) => `a{b="${index}"} 1 ${1_700_000_000 + index}.${index % 1000}`,
  ),
  exemplars: openMetrics(
    (index) => `a_total{b="${index}"} 1 # {trace_id="${index}"} ${index} 1700000000.123`,
  ),
  "exemplars without a type": openMetrics((index) => `a{b="${index}"} 1 # {trace_id="${index}"} 1`),
  "different exemplars": openMetrics((index) => `a{l${index}="${index}"} 1 # {t${index}="${index}"} 1`),
  "families of OpenMetrics": openMetrics(
    (index) =>
      `# TYPE m${index} counter\n# UNIT m${index} \n# HELP m${index} h\nm${index}_total 1\nm${index}_created 1`,
  ),
  "opposite order in each source": {
    format: "text",
    make: (bytes, random, source) => {
      const lines = repeat((index) => `m${index % 100}{b="${index}"} 1`, bytes, random)
        .trimEnd()
        .split("\n");
      return `${(source % 2 ? lines.reverse() : lines).join("\n")}\n`;
    },
  },
  "types that differ": {
    format: "text",
    make: (bytes, random, source) =>
      repeat((index) => `# TYPE m${index} ${source % 2 ? "gauge" : "counter"}\nm${index} 1`, bytes, random),
  },
  "many sources": {
    format: "text",
    sources: 1000,
    make: (bytes, random, source) =>
      repeat((index) => `m${index}_${source % 7}{b="${index}"} 1`, bytes, random),
  },
  "many sources after one with many shapes": {
    format: "text",
    sources: 1000,
    make: (bytes, random, source) =>
      source === 0
        ? repeat((index) => `a{l${index}="v"} 1`, bytes * 300, random)
        : repeat((index) => `a{b="${index}"} 1`, bytes, random),
  },
};
