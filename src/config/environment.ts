import { closeSync, openSync, readSync } from "node:fs";
import leven from "leven";
import { codeOf } from "../errors.js";
import type { Reader } from "./readers.js";

/** The environment as the process got it. */
export type RawEnvironment = Readonly<Record<string, string | undefined>>;

/** Secrets in files are short; a longer file is a mistake, such as a device or the wrong path. */
const maxSecretBytes = 64 * 1024;

/**
 * Reads variables one by one and collects what is wrong with them, so that all of it can be told at once.
 * An empty variable counts as unset, as stack files often pass them on empty.
 */
export class EnvironmentReader {
  readonly problems: string[] = [];

  /** Every variable that was read, set or not. */
  readonly #known = new Set<string>();

  constructor(private readonly raw: RawEnvironment) {}

  /** The variable's value, or `fallback` where it is unset or (then a problem is noted) cannot be used. */
  read<T, F>(name: string, reader: Reader<T>, fallback: F): T | F {
    this.#known.add(name);
    const text = unquoted(this.raw[name]?.trim() ?? "");
    if (text === "") return fallback;
    const reading = reader(text);
    if ("value" in reading) return reading.value;
    this.problem(name, text, reading.allowed);
    return fallback;
  }

  /** A secret: the variable itself, or the file that its `_FILE` twin names. Its value never shows in a problem. */
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
      this.problem(`${name}_FILE`, file, `the path of a readable file that holds the secret (${why})`);
      return undefined;
    }
  }

  /**
   * Warnings about variables that were not read and whose names are one or two letters away from one that was.
   * PORT, which many platforms set for every program, counts only where PORTS is unset.
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

  /** Notes a bad value in the one form that all of them have. */
  problem(name: string, value: string, allowed: string): void {
    this.problems.push(`${name}=${JSON.stringify(value)} cannot be used: allowed is ${allowed}`);
  }
}

/** Two letters may differ, in a name of less than six letters one. */
function isMisspelt(name: string, known: string): boolean {
  const most = Math.min(name.length, known.length) < 6 ? 1 : 2;
  return leven(name.toUpperCase(), known, { maxDistance: most + 1 }) <= most;
}

/**
 * A value without the quotes around all of it. In a compose file's list, `- PORTS="443 1201"`, they belong to the
 * value, and are never meant to.
 */
function unquoted(text: string): string {
  return /^(["'])(.*)\1$/s.exec(text)?.[2]?.trim() ?? text;
}

/**
 * The secret that a file holds: its text without the last line end.
 *
 * @throws an Error with the reason where there is none; the secret never shows in it.
 */
export function readSecretFile(path: string): string {
  const bytes = readBeginning(path, maxSecretBytes + 1);
  if (bytes.length > maxSecretBytes) throw new Error(`it is longer than ${maxSecretBytes} bytes`);
  const secret = bytes.toString("utf8").replace(/\r?\n$/, "");
  if (secret === "") throw new Error("it is empty");
  return secret;
}

/** The first bytes of a file, which may also be a pipe or a device without an end. */
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
