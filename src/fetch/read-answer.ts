import { contentTypes, formatOfContentType } from "../exposition/format.js";
import { createUnknownValidator, createValidator } from "../exposition/validator.js";
import { readExposition } from "./read-exposition.js";
import { ScrapeError } from "./scrape-error.js";

/** What one scrape brought. */
export interface Scraped {
  /** The exposition as one gzip stream. */
  readonly gzip: Buffer;
  /** The target's own Content-Type where that is valid, else the one that the text is. */
  readonly contentType: string;
  /** Inflated size in bytes. */
  readonly size: number;
  readonly samples: number;
}

/** The answer of a target, with status 200, whose body was not read yet. */
export interface Answer {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<Buffer>;
}

/**
 * A Content-Type that can be passed on: short, each parameter with its value, none there twice. For all else
 * Prometheus 3 fails a scrape, and 2 reads OpenMetrics as the text format.
 */
const usableContentType =
  /^(?=.{1,256}$)[\w.+-]+\/[\w.+-]+(?: *; *([\w.+-]+)=(?:[\w.+-]+|"[\x20!\x23-\x5b\x5d-\x7e]*")(?!.*; *\1=))* *;? *$/i;

/**
 * Reads the exposition that an answer brings, whatever it says of itself, and checks all of it. The caller ends the
 * body where this throws.
 *
 * @param maxBytes the most that is taken, inflated and on the wire.
 * @throws ScrapeError `too_large`, `invalid`, or what the body throws.
 */
export async function readAnswer({ headers, body }: Answer, maxBytes: number): Promise<Scraped> {
  const encoding = headerOf(headers, "content-encoding")?.trim().toLowerCase() ?? "identity";
  const gzipped = encoding === "gzip" || encoding === "x-gzip";
  if (!gzipped && encoding !== "identity" && encoding !== "") {
    throw new ScrapeError(
      "invalid",
      `answered with the content encoding ${JSON.stringify(encoding.slice(0, 100))}, not gzip`,
    );
  }
  const contentType = headerOf(headers, "content-type");
  const format = formatOfContentType(contentType);
  const validator = format === undefined ? createUnknownValidator() : createValidator(format);
  const { gzip, size, verdict } = await readExposition(body, { gzipped, maxBytes, validator });
  const keep = format !== undefined && contentType !== undefined && usableContentType.test(contentType);
  return {
    gzip,
    size,
    samples: verdict.samples,
    contentType: keep ? contentType : contentTypes[verdict.format],
  };
}

/** The first value of a header. */
export function headerOf(headers: Answer["headers"], name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
