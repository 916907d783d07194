import type { Secret } from "../../config/scrape-auth.js";
import { codeOf } from "../../errors.js";
import { readText } from "../../files/read-text.js";

/** Passwords and tokens are short, and chains of certificates not long. */
const maxBytes = 256 * 1024;

/**
 * What a secret is; a file's without the spaces and line ends around it, as Prometheus reads it.
 *
 * @throws an Error that names key and file, and never shows what is in it. A file that is empty is one that is just
 *   being written, or a mistake.
 */
export async function secretText(secret: Secret): Promise<string> {
  if ("text" in secret) return secret.text;
  const text = await readText(secret.file, maxBytes).catch((error: unknown) => {
    const why = codeOf(error) ?? (error as Error).message;
    throw new Error(`${secret.key}: ${secret.file} must be a readable file (${why})`);
  });
  if (text.trim() === "") throw new Error(`${secret.key}: ${secret.file} is empty`);
  return text.trim();
}
