import type { Random } from "./random.js";

/** What a mutation is made from. */
export interface Material {
  readonly random: Random;
  /** Words of the format. */
  readonly words: readonly Buffer[];
  /** Another input, to take parts from. */
  readonly other: Buffer;
  readonly maxBytes: number;
}

const interestingBytes = Buffer.from(
  '\0\n\r\t "\\{}[]()=,;:#%/-+.09azAZ_~\x1e\x7f\x80\xff\xc0\xed',
  "latin1",
);
const separators = Buffer.from("\n\x1e ,;:=[{(");
const interestingNumbers = [
  "0",
  "-1",
  "1",
  "255",
  "65536",
  "2147483648",
  "4294967296",
  "9007199254740993",
  "18446744073709551616",
  "1e309",
  "-0",
  "1e-400",
  "NaN",
  "null",
  "1".repeat(50),
].map((number) => Buffer.from(number));

type Mutation = (input: Buffer, material: Material) => Buffer;

const mutations: readonly Mutation[] = [
  (input, { random }) => {
    const changed = Buffer.from(input);
    if (changed.length > 0) changed[random.below(changed.length)]! ^= 1 << random.below(8);
    return changed;
  },
  (input, { random }) => {
    const changed = Buffer.from(input);
    if (changed.length > 0) changed[random.below(changed.length)] = random.next();
    return changed;
  },
  (input, { random }) =>
    put(input, random, interestingBytes.subarray(random.below(interestingBytes.length)).subarray(0, 1)),
  (input, { random, words }) => (words.length === 0 ? input : put(input, random, random.pick(words))),
  (input, { random, words }) => (words.length === 0 ? input : replace(input, random, random.pick(words))),
  // Removes a part.
  (input, { random }) => replace(input, random, Buffer.alloc(0)),
  // Puts a part in once more, elsewhere.
  (input, { random }) => put(input, random, part(input, random)),
  // Puts in a part of another input, or goes on as another input does.
  (input, { random, other }) => put(input, random, part(other, random)),
  (input, { random, other }) =>
    Buffer.concat([
      input.subarray(0, random.below(input.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ]),
  // Repeats a part, or a word, over and over: work that is squared shows.
  (input, material) =>
    put(input, material.random, repeat(part(input, material.random).subarray(0, 200), material)),
  (input, material) =>
    material.words.length === 0
      ? input
      : put(input, material.random, repeat(material.random.pick(material.words), material)),
  replaceNumber,
];

/** An input that is somewhat like `input`. */
export function mutate(input: Buffer, material: Material): Buffer {
  let changed = input;
  const times = 1 + material.random.below(5);
  for (let time = 0; time < times; time++) changed = material.random.pick(mutations)(changed, material);
  return changed.subarray(0, material.maxBytes);
}

/** At least twice, and rarely up to the maximum size. */
function repeat(piece: Buffer, { random, maxBytes }: Material): Buffer {
  const times = Math.min(2 ** (1 + random.below(13)), Math.floor(maxBytes / Math.max(1, piece.length)));
  return Buffer.alloc(piece.length * times, piece.length > 0 ? piece : 0);
}

function part(input: Buffer, random: Random): Buffer {
  const start = random.below(input.length + 1);
  const most = random.below(2) === 0 ? 16 : input.length;
  return input.subarray(start, start + 1 + random.below(most));
}

function put(input: Buffer, random: Random, piece: Buffer): Buffer {
  const at = place(input, random);
  return Buffer.concat([input.subarray(0, at), piece, input.subarray(at)]);
}

/** Anywhere, or behind something that parts what stands before it from what follows. */
function place(input: Buffer, random: Random): number {
  const at = random.below(input.length + 1);
  if (random.below(2) === 0) return at;
  const next = input.subarray(at).findIndex((byte) => separators.includes(byte));
  return next < 0 ? at : at + next + 1;
}

function replace(input: Buffer, random: Random, piece: Buffer): Buffer {
  const start = random.below(input.length + 1);
  const end = start + 1 + random.below(random.below(2) === 0 ? 16 : input.length);
  return Buffer.concat([input.subarray(0, start), piece, input.subarray(end)]);
}

function replaceNumber(input: Buffer, { random }: Material): Buffer {
  const start = random.below(input.length);
  let at = start;
  while (at < input.length && !isDigit(input[at]!)) at++;
  let end = at;
  while (end < input.length && isDigit(input[end]!)) end++;
  return Buffer.concat([input.subarray(0, at), random.pick(interestingNumbers), input.subarray(end)]);
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
