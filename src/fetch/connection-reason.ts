import { codeOf, describeError } from "../errors.js";

/** The most bytes of headers that a target may send. */
export const maxHeaderBytes = 16 * 1024;

/** Why a connection to a target brought no answer, in words. */
export function connectionReason(error: unknown): string {
  const words: Record<string, string> = {
    ECONNREFUSED: "connection refused",
    ECONNRESET: "connection reset",
    EHOSTUNREACH: "host unreachable",
    ENETUNREACH: "network unreachable",
    ENOTFOUND: "host name not found",
    EAI_AGAIN: "host name lookup failed",
    UND_ERR_SOCKET: "the connection was closed before the answer was complete",
    UND_ERR_HEADERS_OVERFLOW: `the headers are larger than ${maxHeaderBytes} bytes`,
    UND_ERR_CONNECT_TIMEOUT: "no connection in time",
  };
  return words[codeOf(error) ?? ""] ?? describeError(error);
}
