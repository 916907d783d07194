import { AppError, codeOf, describeError } from "../errors.js";
import { printable } from "../printable.js";

/**
 * The outcomes of failed scrapes, as counted by the telemetry. If several URLs of a target fail, the first in this list
 * counts: the one closest to metrics. `credentials`: the request was not sent, because credentials are missing or unusable.
 */
export const failureOutcomes = [
  "aborted",
  "credentials",
  "too_large",
  "no_samples",
  "invalid",
  "timeout",
  "status",
  "connection",
] as const;

/** A failed scrape. The status page shows the message as the reason: parts of it may come from the target. */
export class ScrapeError extends AppError {
  /** The HTTP status of the response, if that is the cause. */
  readonly status: number | undefined;

  constructor(
    readonly outcome: (typeof failureOutcomes)[number],
    reason: string,
    options?: { cause?: unknown; status?: number },
  ) {
    super(printable(reason), options);
    this.status = options?.status;
  }
}

/** Maximum size of the response headers of a target in bytes. */
export const maxHeaderBytes = 16 * 1024;

/** Describes why a connection to a target failed. */
export function connectionReason(error: unknown): string {
  const reasons: Record<string, string> = {
    ECONNREFUSED: "connection refused",
    ECONNRESET: "connection reset",
    EHOSTUNREACH: "host unreachable",
    ENETUNREACH: "network unreachable",
    ENOTFOUND: "host name not found",
    EAI_AGAIN: "host name lookup failed",
    UND_ERR_SOCKET: "connection closed before the response was complete",
    UND_ERR_HEADERS_OVERFLOW: `response headers exceed ${maxHeaderBytes} bytes`,
    UND_ERR_CONNECT_TIMEOUT: "connection timed out",
  };
  return reasons[codeOf(error) ?? ""] ?? describeError(error);
}
