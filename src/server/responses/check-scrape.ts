import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { AppError } from "../../errors.js";
import { type Format, formatOfContentType } from "../../exposition/format.js";
import { createValidator, type Validator } from "../../exposition/validator.js";
import type { Scrape } from "../../model/scrape.js";

/** A scrape does not match its metadata. The message completes "cached scrape …". */
export class DamagedScrapeError extends AppError {}

/** The format of a scrape. */
export function formatOf({ contentType }: Pick<Scrape, "contentType">): Format {
  return formatOfContentType(contentType) ?? "text";
}

/**
 * Checks a scrape against its metadata: one gzip stream that inflates to exactly the stated size, and a valid
 * exposition of its format with the stated number of samples.
 *
 * @param text the inflated scrape.
 * @param gzipBytesRead how many bytes of the scrape the inflation consumed.
 * @throws DamagedScrapeError
 */
export function checkInflated(scrape: Scrape, text: Buffer, gzipBytesRead: number): void {
  const validator = createValidator(formatOf(scrape));
  validator.push(text);
  requireMatch(scrape, validator, text.length, gzipBytesRead);
}

/**
 * The same check in chunks. Uses little memory, and stops when the scrape inflates to more than its stated size.
 *
 * @throws DamagedScrapeError, or zlib's errors.
 */
export async function checkInChunks(scrape: Scrape): Promise<void> {
  const validator = createValidator(formatOf(scrape));
  const gunzip = createGunzip();
  let inflated = 0;
  await pipeline([scrape.gzip], gunzip, async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      inflated += chunk.length;
      if (inflated > scrape.size) throw new DamagedScrapeError("inflates to more than its stated size");
      if (!validator.push(chunk)) return;
    }
  });
  requireMatch(scrape, validator, inflated, gunzip.bytesWritten);
}

function requireMatch(
  { size, samples, gzip }: Scrape,
  validator: Validator,
  inflated: number,
  gzipBytesRead: number,
): void {
  const verdict = validator.end();
  if (!verdict.ok) {
    throw new DamagedScrapeError(`is not a valid exposition: line ${verdict.line}: ${verdict.reason}`);
  }
  if (inflated !== size || gzipBytesRead !== gzip.length) {
    throw new DamagedScrapeError("does not have its stated size");
  }
  if (verdict.samples !== samples) {
    throw new DamagedScrapeError("does not have its stated number of samples");
  }
}
