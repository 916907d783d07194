import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import { backoffDelay } from "../../backoff.js";
import { describeError } from "../../errors.js";
import type { Logger } from "../../logging.js";
import { type EngineEvent, eventFilters, linesOf, readEvent } from "./events.js";

/** Times of a watch, in milliseconds. */
export interface WatchTimings {
  /** Timeout for the beginning of the response. */
  readonly response: number;
  /** First delay before a retry; each further delay is twice as long. */
  readonly retryFirst: number;
  /** Longest delay. A stream that lasted longer than this resets the delay. */
  readonly retryMost: number;
  /** A stream is reopened after this time, because one whose peer disappeared would stay silent forever. */
  readonly renewAfter: number;
}

const defaultTimings: WatchTimings = {
  response: 10_000,
  retryFirst: 100,
  retryMost: 10_000,
  renewAfter: 600_000,
};

/** Receives each event, or `missed` if events may have been missed. */
export type WatchListener = (event: EngineEvent | "missed") => void;

/** Longest event in characters. An event contains all labels of its container. */
const maxEventLength = 1024 * 1024;

/**
 * Follows GET /events until `signal` aborts; never rejects. Reports `missed` whenever the stream opens, followed, after an
 * interruption, by the events since the last one. Logs the end of a stream at debug level, because socket proxies close
 * idle streams after minutes, and an unreachable engine too, because listing reports it. Warns once if the engine
 * refuses the stream.
 */
export async function watchEvents(
  docker: Dockerode,
  listener: WatchListener,
  signal: AbortSignal,
  logger: Logger,
  changedTimings: Partial<WatchTimings> = {},
): Promise<void> {
  const timings = { ...defaultTimings, ...changedTimings };
  let failures = 0;
  let lastSeen: number | undefined;
  let refused = false;

  while (!signal.aborted) {
    const openedAt = performance.now();
    try {
      await followOnce();
      logger.debug("Docker event stream ended");
    } catch (error) {
      if (signal.aborted) return;
      logFailure(error);
    }
    failures = performance.now() - openedAt > timings.retryMost ? 1 : failures + 1;
    const delay = backoffDelay(failures, { first: timings.retryFirst, longest: timings.retryMost });
    await sleep(delay, undefined, { signal }).catch(() => {});
  }

  async function followOnce(): Promise<void> {
    // Aborts both a pending request and an open stream.
    const controller = new AbortController();
    const abort = () => controller.abort();
    signal.addEventListener("abort", abort);
    let timer = setTimeout(abort, timings.response);
    try {
      const stream = await docker.getEvents({
        filters: eventFilters as Dockerode.GetEventsOptions["filters"],
        // Just after the last event, because `since` is inclusive.
        ...(lastSeen !== undefined && { since: (lastSeen + 1) / 1e6 }),
        abortSignal: controller.signal,
      } as Dockerode.GetEventsOptions);
      clearTimeout(timer);
      timer = setTimeout(abort, timings.renewAfter);
      refused = false;
      listener("missed");
      for await (const line of linesOf(stream, maxEventLength)) {
        const event = line === undefined ? undefined : readEvent(line);
        if (event !== undefined) lastSeen = Math.max(lastSeen ?? 0, event.atMicroseconds);
        listener(event ?? "missed");
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      controller.abort();
    }
  }

  function logFailure(error: unknown): void {
    const status = statusOf(error);
    if (status === undefined || refused) {
      logger.debug("Docker event stream failed", { reason: describeError(error) });
      return;
    }
    refused = true;
    logger.warn("Docker engine refused the event stream; new containers are found by the next scan", {
      status,
      reason: describeError(error),
    });
  }
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("statusCode" in error)) return undefined;
  return typeof error.statusCode === "number" ? error.statusCode : undefined;
}
