import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import { backoffDelay } from "../../backoff.js";
import { describeError } from "../../errors.js";
import type { Logger } from "../../logging.js";
import { type EngineEvent, eventFilters, readEvent } from "./events.js";
import { LineSplitter, lineTooLong } from "./line-splitter.js";

/** Times of a watch, all in milliseconds. */
export interface WatchTimings {
  /** How long the engine may take to begin its answer. */
  readonly answer: number;
  /** The first delay before trying again; each further one is twice as long. */
  readonly retryFirst: number;
  /** The longest delay. A stream that lasted longer than this starts the delays anew. */
  readonly retryMost: number;
  /** A stream is opened anew after this long, for one whose other end vanished would be silent for ever. */
  readonly renewAfter: number;
}

export const defaultWatchTimings: WatchTimings = {
  answer: 10_000,
  retryFirst: 100,
  retryMost: 10_000,
  renewAfter: 600_000,
};

/** What a watch tells: an event, or that events may have been missed. */
export type WatchListener = (event: EngineEvent | "missed") => void;

/** Longest event in bytes. It carries all labels of a container. */
const maxEventBytes = 1024 * 1024;

/**
 * Follows GET /events until `signal` aborts; never rejects. Whenever the stream opens it tells `missed`, after a
 * break with the events since the last one that it saw. Socket proxies cut an idle stream after minutes: that is
 * normal and goes to the debug log, as does an engine that is away (who lists tells that). Only an engine that
 * answers and refuses is told here, once.
 */
export async function watchEvents(
  docker: Dockerode,
  listener: WatchListener,
  signal: AbortSignal,
  logger: Logger,
  timings: WatchTimings,
): Promise<void> {
  let failures = 0;
  let lastSeen: number | undefined;
  let refused = false;

  while (!signal.aborted) {
    const openedAt = performance.now();
    try {
      await followOnce();
      logger.debug("the stream of Docker events ended");
    } catch (error) {
      if (signal.aborted) return;
      noteFailure(error);
    }
    failures = performance.now() - openedAt > timings.retryMost ? 1 : failures + 1;
    const delay = backoffDelay(failures, { first: timings.retryFirst, longest: timings.retryMost });
    await sleep(delay, undefined, { signal }).catch(() => {});
  }

  async function followOnce(): Promise<void> {
    // One controller for both: it ends the request that has no answer and the stream that has one.
    const controller = new AbortController();
    const abort = () => controller.abort();
    signal.addEventListener("abort", abort);
    let timer = setTimeout(abort, timings.answer);
    try {
      const stream = await docker.getEvents({
        filters: eventFilters as Dockerode.GetEventsOptions["filters"],
        // Just after the last event, for `since` includes its own instant.
        ...(lastSeen !== undefined && { since: (lastSeen + 1) / 1e6 }),
        abortSignal: controller.signal,
      } as Dockerode.GetEventsOptions);
      clearTimeout(timer);
      timer = setTimeout(abort, timings.renewAfter);
      refused = false;
      listener("missed");
      const splitter = new LineSplitter(maxEventBytes);
      for await (const chunk of stream) {
        const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
        for (const line of splitter.push(bytes)) take(line);
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      controller.abort();
    }
  }

  function take(line: string | typeof lineTooLong): void {
    const event = line === lineTooLong ? undefined : readEvent(line);
    if (event !== undefined) lastSeen = Math.max(lastSeen ?? 0, event.atMicroseconds);
    listener(event ?? "missed");
  }

  function noteFailure(error: unknown): void {
    const status = statusOf(error);
    if (status === undefined || refused) {
      logger.debug("no stream of Docker events", { reason: describeError(error) });
      return;
    }
    refused = true;
    logger.warn("the Docker engine refuses its stream of events: new containers wait for the next scan", {
      status,
      reason: describeError(error),
    });
  }
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("statusCode" in error)) return undefined;
  return typeof error.statusCode === "number" ? error.statusCode : undefined;
}
