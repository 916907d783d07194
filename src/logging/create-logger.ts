import winston from "winston";
import type { LogFormat, Logger, LogLevel } from "../logging.js";
import { escapeJson, maxPrintedLength, printable } from "../printable.js";

export interface LoggingOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Texts that are replaced in messages and fields. */
  readonly secrets?: readonly string[];
  /** Default: standard error. */
  readonly stream?: NodeJS.WritableStream;
}

const hidden = "[hidden]";
/** Messages are fixed texts, and hiding a short secret that is also a word of one would reveal it. */
const wordLength = 11;

/**
 * A winston logger that writes one JSON object or one coloured line per entry. Some texts come from other machines:
 * characters that a terminal would act on are escaped, and long texts are cut.
 */
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
      ? format.combine(withoutSecrets(), format.timestamp(), ordered(), json, escapedJson())
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

/** Keys in the order that a person reads: what every line has comes first. */
const ordered = winston.format(({ timestamp, level, message, ...fields }) => {
  return { timestamp, level, message, ...fields };
});

/** Its result, in a format of winston. */
const line = Symbol.for("message");

const json = winston.format.json({
  deterministic: false,
  replacer: (_key, value) => (typeof value === "string" ? shortened(value) : value),
});

const escapedJson = winston.format((info) => ({ ...info, [line]: escapeJson(String(info[line])) }));

const prettyLine = winston.format.printf(({ timestamp, level, message, ...fields }) => {
  const rest = Object.entries(fields)
    .map(
      ([key, value]) =>
        ` ${key}=${printable(typeof value === "string" ? value : String(JSON.stringify(value)))}`,
    )
    .join("");
  return `${timestamp} ${level} ${printable(String(message))}${rest}`;
});

function shortened(text: string): string {
  return text.length > maxPrintedLength ? `${text.slice(0, maxPrintedLength)}…` : text;
}

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
