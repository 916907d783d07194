import type { z } from "zod";
import { ConfigError } from "../../errors.js";
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
    throw new ConfigError([webConfigProblem(path, `it is no YAML: ${firstLine(error)}`)]);
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
      (key) =>
        `${place === "" ? "it" : place} has no key ${JSON.stringify(key.slice(0, 100))}: allowed are ${allowed}`,
    );
  }
  return [`${place === "" ? "the file" : place}${shown(issue)} cannot be used: allowed is ${issue.message}`];
}

/** A key as it is written, on one line. */
function nameOf(key: PropertyKey): string {
  const name = String(key).slice(0, 100);
  return /^[\w-]*$/.test(name) ? name : JSON.stringify(name);
}

/** The value, unless it may be a secret or fills the screen. */
function shown({ path, input }: z.core.$ZodIssue): string {
  const isSecret = path[0] === "basic_auth_users" || secretKeys.has(String(path[1]));
  return typeof input === "string" && !isSecret ? `=${JSON.stringify(input.slice(0, 100))}` : "";
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return (message.split("\n")[0] ?? "").replace(/:$/, "");
}
