import { closeSync, openSync, readSync } from "node:fs";
import leven from "leven";
import { codeOf } from "../errors.js";
import { formatHostPort } from "../model/host-port.js";
import { anyText, type ListenAddress, type Reader } from "./readers.js";
import type { RelayAllow } from "./relay-allow.js";

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

  /** The value of every variable that was read, as text; secrets are hidden. */
  readonly values: Record<string, string> = {};

  constructor(private readonly raw: RawEnvironment) {}

  /** The value of the variable, or `fallback` if it is unset or invalid. An invalid value adds a problem. */
  read<T extends Value, F extends Value>(name: string, reader: Reader<T>, fallback: F): T | F {
    const text = this.#text(name);
    const reading = text === "" ? { value: fallback } : reader(text);
    if ("expected" in reading) this.problem(name, reading.expected);
    const value = "value" in reading ? reading.value : fallback;
    this.values[name] = textOf(value);
    return value;
  }

  /**
   * A secret: the value of the variable, or the contents of the file that the variable with the suffix `_FILE` names.
   * Problems never contain it.
   */
  readSecret(name: string, reader: Reader<string> = anyText): string | undefined {
    const value = this.raw[name] || undefined;
    this.values[name] = "";
    const file = this.read(`${name}_FILE`, anyText, undefined);
    if (value === undefined && file === undefined) return undefined;
    this.values[name] = "[hidden]";
    if (value !== undefined && file !== undefined) {
      this.problems.push(`${name} and ${name}_FILE are both set: set only one of them`);
      return undefined;
    }
    try {
      const reading = reader(value ?? readSecretFile(file!));
      if ("value" in reading) return reading.value;
      this.problems.push(`${name} is invalid: must be ${reading.expected}`);
    } catch (error) {
      const why = codeOf(error) ?? (error as Error).message;
      this.problem(`${name}_FILE`, `the path of a readable file that contains the secret (${why})`);
    }
    return undefined;
  }

  /**
   * Warnings about unknown variables whose names are one or two letters away from a known one. Many platforms set PORT
   * for every program, so it counts only while PORTS is unset.
   */
  misspelt(): string[] {
    const warnings: string[] = [];
    const known = Object.keys(this.values);
    for (const [name, value] of Object.entries(this.raw)) {
      if (!value || known.includes(name) || !/^\w{1,64}$/.test(name)) continue;
      if (name === "PORT" && this.raw["PORTS"]) continue;
      const close = known.find((candidate) => isMisspelt(name, candidate));
      if (close !== undefined) warnings.push(`unknown variable ${name}: did you mean ${close}?`);
    }
    return warnings;
  }

  /** Adds a problem. @param expected completes "must be". */
  problem(name: string, expected: string): void {
    this.problems.push(`${name}=${JSON.stringify(this.#text(name))} is invalid: must be ${expected}`);
  }

  #text(name: string): string {
    return unquoted(this.raw[name]?.trim() ?? "");
  }
}

/** The value of a variable. */
type Value =
  | string
  | number
  | boolean
  | readonly (string | number)[]
  | ListenAddress
  | RelayAllow
  | undefined;

function textOf(value: Value): string {
  if (value === undefined) return "";
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value !== "object") return String(value);
  if ("text" in value) return value.text;
  return "port" in value ? formatHostPort(value) : value.join(" ");
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
