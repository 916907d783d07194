export const logLevels = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];
export const logFormats = ["json", "pretty"] as const;
export type LogFormat = (typeof logFormats)[number];

/** What the parts of the program log with: a message and plain fields. */
export interface Logger {
  error(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  debug(message: string, fields?: object): void;
}

/** A logger that says nothing, for parts that are tested without a log. */
export const silentLogger: Logger = { error() {}, warn() {}, info() {}, debug() {} };
