import { parseYaml } from "../../src/files/yaml-text.js";
import { law } from "./subject.js";

/** Stands where secrets stand; no key of any file is spelled like this. */
export const secret = "s3cr3t!value";

/**
 * A problem with a YAML file shows the secret only where damage has put it into the open: into a key, or into a value
 * whose path says that it is none. What cannot be read has nothing in the open.
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
