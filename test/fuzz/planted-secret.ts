import { parseYaml } from "../../src/files/yaml-text.js";
import { law } from "./subject.js";

/** Stands where secrets stand; no key of any file is spelled like this. */
export const secret = "s3cr3t!value";

/**
 * Checks that a problem with a YAML file contains the secret only if damage has moved it to a public position: to a key,
 * or to a value whose path is not that of a secret. A file that cannot be parsed has no public positions.
 */
export function showsNoSecret(
  problem: string,
  text: string,
  isSecret: (path: readonly string[]) => boolean,
): void {
  const shown =
    problem.includes(secret) && !inTheOpen(text, isSecret).some((open) => open.includes("s3cr3t"));
  law(!shown, "a problem shows no secret", () => problem);
}

function inTheOpen(text: string, isSecret: (path: readonly string[]) => boolean): string[] {
  const textsOf = (value: unknown, path: readonly string[]): string[] => {
    if (typeof value === "string") return isSecret(path) ? [] : [value];
    if (typeof value !== "object" || value === null) return [];
    return Object.entries(value).flatMap(([key, inner]) => [key, ...textsOf(inner, [...path, key])]);
  };
  try {
    return textsOf(parseYaml(text), []);
  } catch {
    return [];
  }
}
