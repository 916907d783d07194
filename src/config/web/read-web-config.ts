import type { z } from "zod";
import { ConfigError, describeError } from "../../errors.js";
import { parseYaml } from "../../files/yaml-text.js";
import { type WebConfigText, webConfigSchema } from "./schema.js";

const secretKeys = new Set(["key", "cert", "client_ca"]);

/**
 * Parses a web configuration.
 *
 * @param path the file of the text; each problem begins with it.
 * @throws ConfigError with one line per problem: the file, the key, and what it must be.
 */
export function readWebConfig(text: string, path: string): WebConfigText {
  let content: unknown;
  try {
    // An empty file is a valid configuration.
    content = parseYaml(text) || {};
  } catch (error) {
    throw new ConfigError([webConfigProblem(path, `the file is not valid YAML: ${describeError(error)}`)]);
  }
  // The schema ignores this key, and a user who is dropped silently may be the only one.
  if (hasKey(content, "__proto__"))
    throw new ConfigError([webConfigProblem(path, "the file must not contain the key __proto__")]);
  const reading = webConfigSchema.safeParse(content, { reportInput: true });
  if (!reading.success) {
    throw new ConfigError(reading.error.issues.map((issue) => webConfigProblem(path, problemOf(issue))));
  }
  return reading.data;
}

function hasKey(content: unknown, key: string): boolean {
  if (typeof content !== "object" || content === null) return false;
  return Object.hasOwn(content, key) || Object.values(content).some((value) => hasKey(value, key));
}

/** The message for a problem of a web configuration. */
export function webConfigProblem(path: string, problem: string): string {
  return `WEB_CONFIG_FILE ${path}: ${problem}`;
}

function problemOf(issue: z.core.$ZodIssue): string {
  const place = issue.path.map(nameOf).join(".");
  return `${place === "" ? "the file" : place}${shown(issue)} ${issue.message}`;
}

/** A key on one line, without the part after a colon, which may be a password hash after a missing space. */
export function nameOf(key: PropertyKey): string {
  const [name = "", ...rest] = String(key).split(":");
  const short = name.slice(0, 100) + (rest.length > 0 || name.length > 100 ? "…" : "");
  return /^[\w-]*$/.test(short) ? short : JSON.stringify(short);
}

/** The value, shortened, unless it may be a secret: anything may be in the place of a mapping. */
function shown({ path, input }: z.core.$ZodIssue): string {
  const isSecret = path.length < 2 || path[0] === "basic_auth_users" || secretKeys.has(String(path[1]));
  return typeof input === "string" && !isSecret ? `=${JSON.stringify(input.slice(0, 100))}` : "";
}
