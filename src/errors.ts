import { maxPrintedLength, printable } from "./printable.js";

/**
 * Base class of expected errors. The message states what is wrong and what to do. `cause` is the original
 * error.
 */
export class AppError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Invalid settings, one line per problem. */
export class ConfigError extends AppError {
  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
  }
}

/** A provider failed to list its targets. Its previous list stays valid. */
export class DiscoveryError extends AppError {}

/** The messages of an error and its causes, in one printable line. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; current !== undefined && current !== null && depth < 5; depth++) {
    const text =
      current instanceof Error ? current.message || codeOf(current) || current.name : String(current);
    if (text !== "" && !parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  const text = parts.join(": ").slice(0, 2 * maxPrintedLength);
  return printable(text.replace(/\s*\n\s*/g, " "));
}

/** The `code` of a system error, such as `ECONNREFUSED`, if any. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
