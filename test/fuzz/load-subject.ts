import { pathToFileURL } from "node:url";
import type { Subject } from "./subject.js";

/** The subject that a module has as `subject`. */
export async function loadSubject(file: string): Promise<Subject> {
  const { subject } = (await import(pathToFileURL(file).href)) as { subject: Subject };
  return subject;
}
