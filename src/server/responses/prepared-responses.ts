import { promisify } from "node:util";
import { constants, gunzip, gzip } from "node:zlib";
import pLimit, { type LimitFunction } from "p-limit";
import { toText } from "../../exposition/convert.js";
import { contentTypes, type Format, formatOfContentType } from "../../exposition/format.js";
import { merge } from "../../exposition/merge.js";
import type { Logger } from "../../logging.js";
import type { Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import { EntryReader, type LeftOut, type ReadCache } from "./scrape-reader.js";
import { inTurns } from "./time-slices.js";

export type { LeftOut } from "./scrape-reader.js";

/** An answer made of entries, ready to be sent. */
export interface PreparedAnswer {
  readonly contentType: string;
  /** How many of the entries could be read: with none of them there is nothing to send. */
  readonly sources: number;
  readonly leftOut: readonly LeftOut[];
  /** The body for a client that takes gzip, or for one that does not. Made once for each. */
  body(gzipped: boolean): Promise<Buffer>;
}

/** Answers that would need more inflated bytes than this are not made: the replicas have paths of their own. */
const maxMergeBytes = 256 * 1024 * 1024;

/** Answers that are made at a time: each may take three times its own memory. */
const madeAtOnce = 2;

const inflateAsync = promisify(gunzip);
const deflateAsync = promisify(gzip);

/** The format that an entry is kept in. */
export function formatOf(entry: Scrape): Format {
  return formatOfContentType(entry.contentType) ?? "text";
}

/** Whether entries are too much to be merged into one answer. */
export function tooMuchToMerge(entries: readonly Scrape[]): boolean {
  return entries.reduce((sum, entry) => sum + entry.size, 0) > maxMergeBytes;
}

/**
 * Merges and converts entries, and keeps what that made until one of them changes, so that no work is done twice
 * for the same entries.
 */
export class PreparedAnswers {
  readonly #answers = new Map<
    string,
    { readonly entries: readonly Scrape[]; readonly answer: Promise<PreparedAnswer> }
  >();
  readonly #cache: ReadCache;
  readonly #atWork = pLimit(madeAtOnce);
  /** Inflates entries, and knows those that could not be. */
  readonly reader: EntryReader;

  /** @param cache answers made of what it does not hold any more are let go. */
  constructor(cache: ReadCache, logger?: Logger) {
    this.#cache = cache;
    this.reader = new EntryReader(cache, logger);
  }

  /** An answer in `format` made of one entry or several, without those that are damaged. */
  async get(entries: readonly Scrape[], format: Format): Promise<PreparedAnswer> {
    const key = [format, ...entries.map(({ origin, id }) => `${origin} ${id}`)].join("\n");
    const known = this.#answers.get(key);
    // An entry whose times were renewed still has the exposition of its predecessor.
    if (known?.entries.every(({ gzip }, index) => gzip === entries[index]!.gzip)) return await known.answer;
    this.#forgetOutdated();
    const answer = prepare(entries, format, this.reader, this.#atWork);
    this.#answers.set(key, { entries, answer });
    try {
      return await answer;
    } catch (error) {
      this.#answers.delete(key);
      throw error;
    }
  }

  /** What the answers of the moment have to leave out: families that contradict, and sources that are damaged. */
  async leftOut(): Promise<LeftOut[]> {
    this.#forgetOutdated();
    const answers = await Promise.allSettled([...this.#answers.values()].map(({ answer }) => answer));
    // An answer that could not be made was told to who asked for it.
    const made = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value.leftOut : []));
    return [...this.reader.unreadable(), ...made];
  }

  #forgetOutdated(): void {
    for (const [key, { entries }] of this.#answers) {
      if (!entries.every((entry) => this.#cache.holds(entry))) this.#answers.delete(key);
    }
  }
}

async function prepare(
  entries: readonly Scrape[],
  format: Format,
  reader: EntryReader,
  atWork: LimitFunction,
): Promise<PreparedAnswer> {
  const contentType = contentTypes[format];
  const [only, ...more] = entries;
  if (only !== undefined && more.length === 0) {
    const bytes = await reader.read(only);
    if (bytes === undefined) return answerOf(contentType, Buffer.alloc(0), 0, []);
    if (formatOf(only) === format) return answerOf(only.contentType, bytes, 1, []);
    return answerOf(contentType, await atWork(() => inTurns(toText(bytes))), 1, []);
  }
  const read = await Promise.all(entries.map(async (entry) => ({ entry, bytes: await reader.read(entry) })));
  const sources = read.flatMap(({ entry, bytes }) =>
    bytes === undefined
      ? []
      : [{ entry, bytes, format: formatOf(entry), labels: [["instance", instanceOf(entry)]] as const }],
  );
  const { bytes, conflicts } = await atWork(() => inTurns(merge(sources, format)));
  const leftOut = conflicts.map(({ source, family, reason }) => ({
    instance: instanceOf(sources[source]!.entry),
    family,
    reason,
  }));
  return answerOf(contentType, bytes, sources.length, leftOut);
}

/** Holds the plain body until the packed one is asked for, then that: nearly every client takes gzip. */
function answerOf(
  contentType: string,
  bytes: Buffer,
  sources: number,
  leftOut: readonly LeftOut[],
): PreparedAnswer {
  const limit = { maxOutputLength: Math.max(bytes.length, 1) };
  let plain: Buffer | undefined = bytes;
  let packed: Promise<Buffer> | undefined;
  return {
    contentType,
    sources,
    leftOut,
    async body(gzipped) {
      if (!gzipped) return plain ?? (await inflateAsync(await packed!, limit));
      packed ??= deflateAsync(plain!, { level: constants.Z_BEST_SPEED });
      const body = await packed;
      plain = undefined;
      return body;
    },
  };
}
