import type { IRouter, Request, Response } from "express";
import { clockOffsets, clockTolerance, hasUsableClock } from "../../model/clock-offset.js";
import type { ServerContext } from "../context.js";
import { type FederatedAttempt, selectAttempts } from "../responses/attempt-history.js";
import { explainMissing, firstUnknown } from "../responses/explain-missing.js";
import { acceptReader, chooseFormat } from "../responses/negotiate.js";
import { formatOf } from "../responses/scrape-reader.js";
import { acceptsGzip, queryValues, sendExposition, sendText, signalOf } from "../responses/send.js";

const maxNames = 1000;
const readAccept = acceptReader();
/** The name of the work for several services. No service has it. */
const allServices = "";
/** The maximum number of origins in the header X-Clock-Offset; `/targets` lists them all. */
const maxOriginsInHeader = 50;

/**
 * `/federate` and `/<name>/federate`: every sample with its `job`, `instance` and the timestamp of its scrape, and the
 * metrics `up`, `scrape_duration_seconds` and `scrape_samples_scraped` for every attempt to scrape a target.
 * `?history=SECONDS` adds the attempts of that time.
 *
 * The timestamp is always taken from the origin's clock, so that all nodes send the same for the same attempt. If that
 * clock is off by more than 5 s, the header X-Clock-Offset lists the origin with the seconds by which it is ahead:
 * `n2=7200.0, n3=-31.4`. Attempts by a clock that is off by more than 10 minutes are omitted, like scrapes that are
 * damaged or take too long. X-History-Omitted is the number of older scrapes that were too much for one response.
 */
export function federateRoutes(router: IRouter, context: ServerContext): void {
  router.get("/federate", async (request, response) => {
    const names = [...new Set(queryValues(request.url, "name"))];
    if (names.length > maxNames) {
      sendText(response, 400, `at most ${maxNames} names are allowed: ?name=a&name=b`);
    } else await respondFor(context, request, response, names);
  });

  router.get("/:name/federate", async (request, response) => {
    await respondFor(context, request, response, [request.params.name]);
  });
}

/**
 * Sends the attempts of all names, each once; without names, those of all services. An unknown name is an error, because
 * nothing else would reveal it. With many names the search for similar ones is slow, so it is done for one name only.
 */
async function respondFor(
  context: ServerContext,
  request: Request,
  response: Response,
  names: readonly string[],
): Promise<void> {
  const { cache, clock, scheduler } = context;
  const histories = queryValues(request.url, "history");
  const seconds = Number(histories[0] || Number.NaN);
  if (histories.length > 1 || (histories.length === 1 && !(seconds > 0 && Number.isFinite(seconds)))) {
    sendText(response, 400, "history must be a number of seconds above 0, once: ?history=60");
    return;
  }
  // A node with a lower HISTORY, such as one that is not restarted yet, sends what it has.
  const history = histories.length === 0 ? undefined : Math.min(seconds, cache.options.history);
  const selection = {
    ...(names.length === 0 ? {} : { names: new Set(names) }),
    ...(history === undefined ? {} : { history }),
  };
  const attempts = await scheduler.run(selectAttempts(cache, clock, selection), signalOf(response));
  const found = new Set(names.length === 0 ? [] : attempts.flatMap(({ names, job }) => [...names, job]));
  const missing = names.filter((name) => !found.has(name));
  const unknown = missing.length === 0 ? undefined : firstUnknown(context, missing);
  const explained = unknown ?? (attempts.length === 0 ? missing[0] : undefined);
  if (explained !== undefined) sendText(response, ...explainMissing(context, explained, undefined));
  else {
    const job = names.length === 1 ? attempts[0]!.job : allServices;
    await send(context, request, response, { attempts, name: job, variant: String(history ?? "") });
  }
}

/** Sends one exposition made of all attempts. Clients that request the same at once share the work and the body. */
async function send(
  context: ServerContext,
  request: Request,
  response: Response,
  {
    attempts,
    name,
    variant,
  }: { readonly attempts: readonly FederatedAttempt[]; readonly name: string; readonly variant: string },
): Promise<void> {
  const { clock, responses } = context;
  const parts = attempts.filter((attempt) => hasUsableClock(attempt, clock));
  const client = signalOf(response);
  const formats = parts.flatMap(({ scrape }) => (scrape === undefined ? [] : [formatOf(scrape)]));
  const into = chooseFormat(readAccept(request.headers.accept), formats);
  const prepared = await responses.get({ name, variant, kind: "federate", into, parts, client });
  const omitted = prepared.omittedHistory;
  await sendExposition(response, prepared, {
    gzipped: acceptsGzip(request),
    bodies: responses.bodies,
    headers: {
      Vary: "Accept, Accept-Encoding",
      ...clockHeader(attempts, context),
      ...(omitted === 0 ? {} : { "X-History-Omitted": String(omitted) }),
    },
  });
}

function clockHeader(
  attempts: readonly FederatedAttempt[],
  { clock }: ServerContext,
): Record<string, string> {
  const wrong = [...clockOffsets(attempts, clock)].filter(([, offset]) => Math.abs(offset) > clockTolerance);
  if (wrong.length === 0) return {};
  const listed = wrong
    .slice(0, maxOriginsInHeader)
    .map(([origin, offset]) => `${encodeURIComponent(origin)}=${offset.toFixed(1)}`);
  return { "X-Clock-Offset": listed.join(", ") };
}
