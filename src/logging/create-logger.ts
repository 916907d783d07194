import winston from "winston";
import type { LogFormat, Logger, LogLevel } from "../logging.js";

/** What a logger needs to know. `secrets` are strings that never appear in its output, wherever they came from. */
export interface LoggingOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly secrets?: readonly string[];
  /** Where lines go; standard error unless told. */
  readonly stream?: NodeJS.WritableStream;
}

const hidden = "[hidden]";
/** Characters of a secret that is not hidden in messages: they are the program's own words, and it may be one of them. */
const wordLength = 11;

/** A winston logger: one JSON object a line, or coloured lines for a person at a terminal. */
export function createLogger(options: LoggingOptions): Logger {
  const { format } = winston;
  const secrets = (options.secrets ?? []).filter((secret) => secret !== "");
  const noWords = secrets.filter(({ length }) => length > wordLength);
  const withoutSecrets = format((info) => {
    if (secrets.length === 0) return info;
    for (const [key, value] of Object.entries(info)) {
      info[key] = redact(value, key === "message" ? noWords : secrets);
    }
    return info;
  });
  const layout =
    options.format === "json"
      ? format.combine(withoutSecrets(), format.timestamp(), format.json())
      : format.combine(
          withoutSecrets(),
          format.timestamp({ format: "HH:mm:ss.SSS" }),
          format.colorize(),
          prettyLine,
        );
  return winston.createLogger({
    level: options.level,
    format: layout,
    transports: [new winston.transports.Stream({ stream: options.stream ?? process.stderr })],
  });
}

const prettyLine = winston.format.printf(({ timestamp, level, message, ...fields }) => {
  const rest = Object.entries(fields)
    .map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join("");
  return `${timestamp} ${level} ${message}${rest}`;
});

function redact(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === "string") {
    return secrets.reduce((text, secret) => text.replaceAll(secret, hidden), value);
  }
  if (Array.isArray(value)) return value.map((item) => redact(item, secrets));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redact(item, secrets)]));
  }
  return value;
}
