import type { z } from "zod";
import { ConfigError, describeError } from "../../errors.js";
import { parseYaml } from "../../files/yaml-text.js";
import { allowedKeys, type WebConfigText, webConfigSchema } from "./schema.js";

const secretKeys = new Set(["key", "cert", "client_ca"]);

/**
 * Reads the text of a web configuration.
 *
 * @param path where it is from; each problem begins with it.
 * @throws ConfigError with one line for each thing that is wrong: the file, the key, and what is allowed.
 */
export function readWebConfig(text: string, path: string): WebConfigText {
  let content: unknown;
  try {
    // A file without content asks for nothing, and is one.
    content = parseYaml(text) || {};
  } catch (error) {
    throw new ConfigError([webConfigProblem(path, `it is no YAML: ${describeError(error)}`)]);
  }
  // The schema passes over it, and a user who is not there may be the only one.
  if (hasKey(content, "__proto__"))
    throw new ConfigError([webConfigProblem(path, "it must have no key __proto__")]);
  const reading = webConfigSchema.safeParse(content, { reportInput: true });
  if (!reading.success) {
    throw new ConfigError(
      reading.error.issues.flatMap((issue) =>
        problemsOf(issue).map((problem) => webConfigProblem(path, problem)),
      ),
    );
  }
  return reading.data;
}

function hasKey(content: unknown, key: string): boolean {
  if (typeof content !== "object" || content === null) return false;
  return Object.hasOwn(content, key) || Object.values(content).some((value) => hasKey(value, key));
}

/** A problem in the one form that all of them have. */
export function webConfigProblem(path: string, problem: string): string {
  return `WEB_CONFIG_FILE ${path}: ${problem}`;
}

function problemsOf(issue: z.core.$ZodIssue): string[] {
  const place = issue.path.map(nameOf).join(".");
  if (issue.code === "unrecognized_keys") {
    const allowed = allowedKeys(issue.path).join(", ");
    return issue.keys.map(
      (key) => `${place === "" ? "it" : place} has ${wordOf(key)}: allowed are ${allowed}`,
    );
  }
  return [`${place === "" ? "the file" : place}${shown(issue)} cannot be used: allowed is ${issue.message}`];
}

/** An unknown key. One that looks like none may be a secret that stands in the wrong place. */
function wordOf(key: string): string {
  return /^[\w-]{1,40}$/.test(key) ? `no key "${key}"` : "something that is no key";
}

/** A key in a place, on one line. What follows a colon may be a password hash without a space before it. */
export function nameOf(key: PropertyKey): string {
  const [name = "", ...rest] = String(key).split(":");
  const short = name.slice(0, 100) + (rest.length > 0 || name.length > 100 ? "…" : "");
  return /^[\w-]*$/.test(short) ? short : JSON.stringify(short);
}

/** The value, unless it may be a secret or fills the screen. In place of a map anything may stand. */
function shown({ path, input }: z.core.$ZodIssue): string {
  const isSecret = path.length < 2 || path[0] === "basic_auth_users" || secretKeys.has(String(path[1]));
  return typeof input === "string" && !isSecret ? `=${JSON.stringify(input.slice(0, 100))}` : "";
}
