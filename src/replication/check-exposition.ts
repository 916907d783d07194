import { pipeline } from "node:stream/promises";
import { createGunzip, gunzipSync } from "node:zlib";
import { formatOfContentType } from "../exposition/format.js";
import { createValidator } from "../exposition/validator.js";
import type { Received } from "./batch.js";
import { PeerError } from "./peer-error.js";

/** Up to this inflated size an exposition is checked in one go. */
const wholeBytes = 4 * 1024 * 1024;

/**
 * Checks that an entry is what it is said to be: one gzip stream that inflates to exactly the said size, and a valid
 * exposition of its format with the said number of samples. Memory holds no more than 4 MiB of it.
 *
 * @throws PeerError `invalid_entry`.
 */
export async function checkExposition({ metadata, gzip }: Received): Promise<void> {
  const { size, samples, contentType, job, replica } = metadata;
  const fault = (what: string, cause?: unknown) =>
    new PeerError("invalid_entry", `it sends an entry of ${job}.${replica} that ${what}`, { cause });
  const validator = createValidator(formatOfContentType(contentType) ?? "text");
  let inflated = 0;
  let read = 0;
  try {
    if (size <= wholeBytes) {
      // With `info` the result also tells how much of the input was used; the typings do not know it.
      // One chunk for all of it takes a third less time than the small ones that are usual.
      const options = { maxOutputLength: Math.max(size, 1), chunkSize: Math.max(size + 1, 64), info: true };
      const { buffer, engine } = gunzipSync(gzip, options) as unknown as {
        buffer: Buffer;
        engine: { bytesWritten: number };
      };
      inflated = buffer.length;
      read = engine.bytesWritten;
      validator.push(buffer);
    } else {
      const gunzip = createGunzip();
      await pipeline([gzip], gunzip, async (pieces: AsyncIterable<Buffer>) => {
        for await (const piece of pieces) {
          inflated += piece.length;
          if (inflated > size) throw fault("inflates to more than it says");
          if (!validator.push(piece)) break;
        }
      });
      read = gunzip.bytesWritten;
    }
  } catch (cause) {
    throw cause instanceof PeerError ? cause : fault("does not inflate to what it says", cause);
  }
  const verdict = validator.end();
  if (!verdict.ok) throw fault(`is no valid exposition (line ${verdict.line}: ${verdict.reason})`);
  if (inflated !== size || read !== gzip.length) throw fault("is not as long as it says");
  if (verdict.samples !== samples) throw fault("has not as many samples as it says");
}
