import { closeSync, openSync, readSync } from "node:fs";
import leven from "leven";
import { codeOf } from "../errors.js";
import type { Reader } from "./readers.js";

/** The environment of the process. */
export type RawEnvironment = Readonly<Record<string, string | undefined>>;

/** A longer file is a mistake, such as a device or the wrong path. */
const maxSecretBytes = 64 * 1024;

/**
 * Reads variables one by one and collects the problems, so that all of them can be reported at once.
 * An empty variable counts as unset, because stack files often pass on empty variables.
 */
export class EnvironmentReader {
  readonly problems: string[] = [];

  /** Every variable that was read, set or not. */
  readonly #known = new Set<string>();

  constructor(private readonly raw: RawEnvironment) {}

  /** The value of the variable, or `fallback` if it is unset or invalid. An invalid value adds a problem. */
  read<T, F>(name: string, reader: Reader<T>, fallback: F): T | F {
    this.#known.add(name);
    const text = unquoted(this.raw[name]?.trim() ?? "");
    if (text === "") return fallback;
    const reading = reader(text);
    if ("value" in reading) return reading.value;
    this.problem(name, text, reading.expected);
    return fallback;
  }

  /**
   * A secret: the value of the variable, or the contents of the file that the variable with the suffix `_FILE` names.
   * Problems never contain it.
   */
  readSecret(name: string): string | undefined {
    this.#known.add(name).add(`${name}_FILE`);
    const value = this.raw[name];
    const file = this.raw[`${name}_FILE`]?.trim();
    if (file === undefined || file === "") return value === "" ? undefined : value;
    if (value !== undefined && value !== "") {
      this.problems.push(`${name} and ${name}_FILE are both set: set only one of them`);
      return undefined;
    }
    try {
      return readSecretFile(file);
    } catch (error) {
      const why = codeOf(error) ?? (error as Error).message;
      this.problem(`${name}_FILE`, file, `the path of a readable file that contains the secret (${why})`);
      return undefined;
    }
  }

  /**
   * Warnings about unknown variables whose names are one or two letters away from a known one. Many platforms set PORT
   * for every program, so it counts only while PORTS is unset.
   */
  misspelt(): string[] {
    const warnings: string[] = [];
    for (const [name, value] of Object.entries(this.raw)) {
      if (!value || this.#known.has(name) || !/^\w{1,64}$/.test(name)) continue;
      if (name === "PORT" && this.raw["PORTS"]) continue;
      const close = [...this.#known].find((known) => isMisspelt(name, known));
      if (close !== undefined) warnings.push(`unknown variable ${name}: did you mean ${close}?`);
    }
    return warnings;
  }

  /** Adds a problem. @param expected completes "must be". */
  problem(name: string, value: string, expected: string): void {
    this.problems.push(`${name}=${JSON.stringify(value)} is invalid: must be ${expected}`);
  }
}

/** Two letters may differ, but only one in a name of fewer than six. */
function isMisspelt(name: string, known: string): boolean {
  const most = Math.min(name.length, known.length) < 6 ? 1 : 2;
  return leven(name.toUpperCase(), known, { maxDistance: most + 1 }) <= most;
}

/**
 * A value without enclosing quotes. YAML makes them part of the value in `- PORTS="443 1201"`, a list item of a
 * compose file, which is never intended.
 */
function unquoted(text: string): string {
  return /^(["'])(.*)\1$/s.exec(text)?.[2]?.trim() ?? text;
}

/**
 * The secret in a file: its text without the last line break.
 *
 * @throws an Error with the reason, which never contains the secret.
 */
export function readSecretFile(path: string): string {
  const bytes = readBeginning(path, maxSecretBytes + 1);
  if (bytes.length > maxSecretBytes) throw new Error(`the file exceeds ${maxSecretBytes} bytes`);
  const secret = bytes.toString("utf8").replace(/\r?\n$/, "");
  if (secret === "") throw new Error("the file is empty");
  return secret;
}

/** The first bytes of a file, pipe or device, which may be endless. */
function readBeginning(path: string, most: number): Buffer {
  const bytes = Buffer.alloc(most);
  const file = openSync(path, "r");
  try {
    let length = 0;
    for (let read = -1; read !== 0 && length < most; length += read) {
      read = readSync(file, bytes, length, most - length, null);
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}
