import type { Logger, LogLevel } from "../logging.js";

/** Lines of one message within a window of so many milliseconds. */
const maxLines = 20;
const windowMs = 60_000;

/**
 * Limits the rate of lines that others can cause, such as peers: at most 20 per minute of each message. The first line
 * after that has the number of omitted ones as the field `omitted`.
 *
 * @param now milliseconds on a monotonic clock.
 */
export function limitLines(logger: Logger, now: () => number): Logger {
  const windows = new Map<string, { begun: number; lines: number; omitted: number }>();
  const limited =
    (level: LogLevel) =>
    (message: string, fields?: object): void => {
      const window = windows.get(message) ?? { begun: now(), lines: 0, omitted: 0 };
      windows.set(message, window);
      if (now() - window.begun >= windowMs) Object.assign(window, { begun: now(), lines: 0 });
      if (++window.lines > maxLines) {
        window.omitted++;
        return;
      }
      const { omitted } = window;
      window.omitted = 0;
      logger[level](message, omitted === 0 ? fields : { ...fields, omitted });
    };
  return {
    error: limited("error"),
    warn: limited("warn"),
    info: limited("info"),
    debug: (message, fields) => logger.debug(message, fields),
  };
}
