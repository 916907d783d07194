import { promisify } from "node:util";
import { constants, gunzip, gunzipSync, gzip } from "node:zlib";
import { toText } from "../exposition/convert.js";
import { contentTypes, type Format, formatOfContentType } from "../exposition/format.js";
import { merge } from "../exposition/merge.js";
import type { Entry } from "../model/entry.js";
import { instanceOf } from "../model/target.js";

/** A part of a source that a merge had to leave out. */
export interface LeftOut {
  readonly instance: string;
  readonly family: string;
  readonly reason: string;
}

/** An answer made of entries, ready to be sent. */
export interface PreparedAnswer {
  readonly contentType: string;
  readonly leftOut: readonly LeftOut[];
  /** The body for a client that takes gzip, or for one that does not. Made once for each. */
  body(gzipped: boolean): Promise<Buffer>;
}

/** Answers that would need more inflated bytes than this are not made: the replicas have paths of their own. */
const maxMergeBytes = 256 * 1024 * 1024;
/** What is inflated in one go; larger entries go through the thread pool. */
const wholeInflatedBytes = 1024 * 1024;

const inflateAsync = promisify(gunzip);
const deflateAsync = promisify(gzip);

/** The format that an entry is kept in. */
export function formatOf(entry: Entry): Format {
  return formatOfContentType(entry.contentType) ?? "text";
}

/** The inflated bytes of an entry. */
export async function inflateEntry(entry: Entry): Promise<Buffer> {
  const limit = { maxOutputLength: Math.max(entry.size, 1) };
  return entry.size <= wholeInflatedBytes
    ? gunzipSync(entry.gzip, limit)
    : await inflateAsync(entry.gzip, limit);
}

/** Whether entries are too much to be merged into one answer. */
export function tooMuchToMerge(entries: readonly Entry[]): boolean {
  return entries.reduce((sum, entry) => sum + entry.size, 0) > maxMergeBytes;
}

/**
 * Merges and converts entries, and keeps what that made until one of them changes, so that no work is done twice
 * for the same entries.
 */
export class PreparedAnswers {
  readonly #answers = new Map<
    string,
    { readonly entries: readonly Entry[]; readonly answer: Promise<PreparedAnswer> }
  >();
  readonly #isCurrent: (entry: Entry) => boolean;

  /** @param isCurrent whether the exposition of an entry is still the newest of its target; answers made of others are let go. */
  constructor(isCurrent: (entry: Entry) => boolean) {
    this.#isCurrent = isCurrent;
  }

  /** An answer in `format` made of one entry or several. */
  async get(entries: readonly Entry[], format: Format): Promise<PreparedAnswer> {
    const key = [format, ...entries.map(({ origin, id }) => `${origin} ${id}`)].join("\n");
    const known = this.#answers.get(key);
    // An entry whose times were renewed still has the exposition of its predecessor.
    if (known?.entries.every(({ gzip }, index) => gzip === entries[index]!.gzip)) return await known.answer;
    this.#forgetOutdated();
    const answer = prepare(entries, format);
    this.#answers.set(key, { entries, answer });
    try {
      return await answer;
    } catch (error) {
      this.#answers.delete(key);
      throw error;
    }
  }

  /** What the answers that are kept had to leave out. */
  async leftOut(): Promise<LeftOut[]> {
    this.#forgetOutdated();
    const answers = await Promise.all([...this.#answers.values()].map(({ answer }) => answer));
    return answers.flatMap((answer) => answer.leftOut);
  }

  #forgetOutdated(): void {
    for (const [key, { entries }] of this.#answers) {
      if (!entries.every(this.#isCurrent)) this.#answers.delete(key);
    }
  }
}

async function prepare(entries: readonly Entry[], format: Format): Promise<PreparedAnswer> {
  const contentType = contentTypes[format];
  const [only, ...more] = entries;
  if (only !== undefined && more.length === 0) {
    const bytes = await inflateEntry(only);
    if (formatOf(only) === format) return answerOf(only.contentType, bytes, []);
    return answerOf(contentType, toText(bytes), []);
  }
  const sources = await Promise.all(
    entries.map(async (entry) => ({
      bytes: await inflateEntry(entry),
      format: formatOf(entry),
      labels: [["instance", instanceOf(entry)]] as const,
    })),
  );
  const { bytes, conflicts } = merge(sources, format);
  const leftOut = conflicts.map(({ source, family, reason }) => ({
    instance: instanceOf(entries[source]!),
    family,
    reason,
  }));
  return answerOf(contentType, bytes, leftOut);
}

/** Holds the plain body until the packed one is asked for, then that: nearly every client takes gzip. */
function answerOf(contentType: string, bytes: Buffer, leftOut: readonly LeftOut[]): PreparedAnswer {
  const limit = { maxOutputLength: Math.max(bytes.length, 1) };
  let plain: Buffer | undefined = bytes;
  let packed: Promise<Buffer> | undefined;
  return {
    contentType,
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
