import type { Request, Response } from "express";
import { printableJson } from "../../printable.js";
import type { Work } from "../../scheduler.js";
import { GzipCollector } from "./gzip-collector.js";
import type { PreparedResponses } from "./prepared-responses.js";
import { acceptsGzip, type Exposition, sendExposition, signalOf } from "./send.js";
import { type QueuedWork, type Resources, UnavailableError } from "./work-queue.js";

/** Memory for a list of any length: what is compressed next. */
const listBytes = 2 * 1024 * 1024;
/** Characters that are made per step. They take some milliseconds at most. */
const stepLength = 64 * 1024;
/** Pieces that are made per step. */
const stepPieces = 100;

export interface Listing {
  /** Lists with the same key are the same. */
  readonly key: string;
  readonly contentType: string;
  /** Returns the text in pieces that take less than a millisecond each; some may be empty. */
  readonly pieces: () => Iterable<string>;
}

/**
 * Sends lists of all targets. They are made in steps, in the memory and the CPU time for responses; clients that request
 * the same list at once share the work.
 */
export class Listings {
  readonly #pending = new Map<string, QueuedWork<Exposition>>();

  constructor(private readonly responses: PreparedResponses) {}

  /** @throws UnavailableError if the list is too large, or too many responses are being prepared. */
  async send(request: Request, response: Response, listing: Listing): Promise<void> {
    const list = await this.#prepare(listing, signalOf(response));
    await sendExposition(response, list, {
      gzipped: acceptsGzip(request),
      bodies: this.responses.bodies,
      headers: { Vary: "Accept-Encoding" },
    });
  }

  #prepare(listing: Listing, client: AbortSignal): Promise<Exposition> {
    const pending = this.#pending.get(listing.key);
    if (pending !== undefined) return pending.resultFor(client);
    if (!this.responses.queue.canRun(listBytes)) throw new UnavailableError("too large to list");
    const work = this.responses.queue.add({
      name: "lists",
      bytes: listBytes,
      start: (resources) => compress(listing, resources),
    });
    this.#pending.set(listing.key, work);
    work.onEnd(() => this.#pending.delete(listing.key));
    return work.resultFor(client);
  }
}

function* compress({ contentType, pieces }: Listing, { memory }: Resources): Work<Exposition> {
  const collector = new GzipCollector(memory, listBytes);
  try {
    let texts: string[] = [];
    let length = 0;
    for (const text of pieces()) {
      texts.push(text);
      length += text.length;
      if (length < stepLength && texts.length < stepPieces) continue;
      yield* collector.add(Buffer.from(texts.join("")));
      yield;
      texts = [];
      length = 0;
    }
    yield* collector.add(Buffer.from(texts.join("")));
    return { contentType, gzip: yield* collector.end(), size: collector.size };
  } finally {
    collector.close();
  }
}

export const jsonType = "application/json; charset=utf-8";

/** The JSON of an object in pieces: each item of an iterable separately, other values as a whole. Printable. */
export function* objectPieces(fields: Readonly<Record<string, unknown>>): Generator<string> {
  let start = "{";
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    yield `${start}${JSON.stringify(key)}:`;
    start = ",";
    if (isIterable(value)) yield* arrayPieces(value);
    else yield printableJson(value);
  }
  yield start === "{" ? "{}" : "}";
}

/** The JSON of an array, in pieces. */
export function* arrayPieces(items: Iterable<unknown>): Generator<string> {
  let start = "[";
  for (const item of items) {
    yield start + printableJson(item);
    start = ",";
  }
  yield start === "[" ? "[]" : "]";
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.iterator in value;
}
