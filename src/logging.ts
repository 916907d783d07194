export const logLevels = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];
export const logFormats = ["json", "pretty"] as const;
export type LogFormat = (typeof logFormats)[number];

/**
 * Logs a message and its details. Messages are fixed texts, so that they can be searched and counted; everything
 * that varies is a field, with any name but `timestamp`, `level` and `message`.
 */
export interface Logger {
  error(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  debug(message: string, fields?: object): void;
}

/** Discards everything. */
export const silentLogger: Logger = { error() {}, warn() {}, info() {}, debug() {} };
