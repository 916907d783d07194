import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Inputs that once failed, kept in the repository: a folder for each subject, named after what each shows. */
export const corpusFolder = join(process.cwd(), "test/corpus");

/** The corpus of a subject; empty where there is none. */
export function corpusFiles(subject: string): { readonly file: string; readonly input: Buffer }[] {
  const folder = join(corpusFolder, subject);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((file) => ({ file, input: readFileSync(join(folder, file)) }));
}
