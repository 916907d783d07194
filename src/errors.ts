/**
 * Base of every error that the program foresees. The message is written for the operator: what is wrong and
 * what to do. The `cause` keeps what was underneath.
 */
export class AppError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Settings that cannot be used: one line a bad value. */
export class ConfigError extends AppError {
  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
  }
}

/** A provider could not list its targets. What it listed before stays known. */
export class DiscoveryError extends AppError {}

/** A listener could not be opened, such as a port that is taken. */
export class ListenError extends AppError {}

/** An error in one line: its message and those of its causes. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; current !== undefined && current !== null && depth < 5; depth++) {
    const text =
      current instanceof Error ? current.message || codeOf(current) || current.name : String(current);
    if (text !== "" && !parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(": ").replace(/\s*\n\s*/g, " ");
}

/** The `code` of a system error, such as `ECONNREFUSED`, else undefined. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
