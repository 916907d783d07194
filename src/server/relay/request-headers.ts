import { acceptHeader } from "../../exposition/format.js";
import { RelayError } from "./relay-error.js";

/** Seconds by which the relay is done before the client's patience ends. */
const headStart = 0.5;
/** The longest time in seconds that a client can ask for. */
const maxTimeout = 60;
const maxAcceptLength = 1024;

/**
 * Seconds that a request may take: half a second less than the client waits (half of it, where that is under a
 * second), at most a minute.
 *
 * @param header X-Prometheus-Scrape-Timeout-Seconds; where it is absent `fallback` counts.
 * @throws RelayError 400
 */
export function timeoutOf(header: string | undefined, fallback: number): number {
  if (header === undefined) return fallback;
  const told = /^\d{1,9}(\.\d{1,9})?$/.test(header) ? Number(header) : 0;
  if (told === 0)
    throw new RelayError(400, "X-Prometheus-Scrape-Timeout-Seconds is no number of seconds above 0");
  return Math.min(Math.max(told - headStart, told / 2), maxTimeout);
}

/**
 * What a target is asked for: what the client asks for, without protobuf, which is not checked and so not passed on.
 */
export function acceptOf(header: string | undefined): string {
  if (header === undefined || header.length > maxAcceptLength || !/^[\x20-\x7e]+$/.test(header))
    return acceptHeader;
  const ranges = header
    .split(",")
    .filter((range) => !/^\s*application\/vnd\.google\.protobuf\b/i.test(range));
  return ranges.length === 0 ? acceptHeader : ranges.join(",").trim();
}
