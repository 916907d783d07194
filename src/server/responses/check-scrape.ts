import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { AppError } from "../../errors.js";
import { formatOfContentType } from "../../exposition/format.js";
import { createValidator, type Validator } from "../../exposition/validator.js";
import type { Scrape } from "../../model/scrape.js";

/** The bytes of an entry are not what is said of them; the message goes on from "what is cached". */
export class DamagedEntryError extends AppError {}

/**
 * Checks that an entry is what is said of it: one gzip stream that inflates to exactly the said size, and a valid
 * exposition of its format with the said number of samples.
 *
 * @param text what it inflated to.
 * @param gzipBytesRead how many of its bytes that took.
 * @throws DamagedEntryError
 */
export function checkInflated(entry: Scrape, text: Buffer, gzipBytesRead: number): void {
  const validator = validatorFor(entry);
  validator.push(text);
  judge(entry, validator, text.length, gzipBytesRead);
}

/**
 * The same, piece by piece: memory stays small, and what inflates to more than it says is not read on.
 *
 * @throws DamagedEntryError, or zlib's errors.
 */
export async function checkInPieces(entry: Scrape): Promise<void> {
  const validator = validatorFor(entry);
  const gunzip = createGunzip();
  let inflated = 0;
  await pipeline([entry.gzip], gunzip, async (pieces: AsyncIterable<Buffer>) => {
    for await (const piece of pieces) {
      inflated += piece.length;
      if (inflated > entry.size) throw new DamagedEntryError("inflates to more than it says");
      if (!validator.push(piece)) return;
    }
  });
  judge(entry, validator, inflated, gunzip.bytesWritten);
}

function validatorFor({ contentType }: Scrape): Validator {
  return createValidator(formatOfContentType(contentType) ?? "text");
}

function judge({ size, samples, gzip }: Scrape, validator: Validator, inflated: number, read: number): void {
  const verdict = validator.end();
  if (!verdict.ok) {
    throw new DamagedEntryError(`is no valid exposition: line ${verdict.line}: ${verdict.reason}`);
  }
  if (inflated !== size || read !== gzip.length) throw new DamagedEntryError("is not as long as it says");
  if (verdict.samples !== samples) throw new DamagedEntryError("has not as many samples as it says");
}
