import type { IRouter, Request, Response } from "express";
import type { Clock } from "../../model/clock.js";
import { clockOffsets, clockTolerance, hasUsableClock } from "../../model/clock-offset.js";
import { onePerInstance, type Scrape } from "../../model/scrape.js";
import type { ServerContext } from "../context.js";
import { explainMissing, firstUnknown } from "../responses/explain-missing.js";
import { acceptsGzip, queryValues, sendExposition, sendText, signalOf } from "../responses/send.js";

const maxNames = 1000;
/** The name of the work for several services. No service has it. */
const allServices = "";
/** The maximum number of origins in the header X-Clock-Offset; `/targets` lists them all. */
const maxOriginsInHeader = 50;

/**
 * `/federate` and `/<name>/federate`: every sample with its `job`, `instance` and the timestamp of its scrape. The
 * timestamp is always taken from the origin's clock, so that all nodes send the same for the same scrape. If that clock
 * is off by more than 5 s, the header X-Clock-Offset lists the origin with the seconds by which it is ahead: `n2=7200.0,
 * n3=-31.4`. Scrapes of a clock that is off by more than 10 minutes are omitted, like damaged ones and those that take
 * too long.
 */
export function federateRoutes(router: IRouter, context: ServerContext): void {
  const { cache } = context;

  router.get("/federate", async (request, response) => {
    const names = [...new Set(queryValues(request.url, "name"))];
    if (names.length > maxNames) {
      sendText(response, 400, `at most ${maxNames} names are allowed: ?name=a&name=b`);
    } else if (names.length === 0) {
      await send(context, request, response, cache.fresh(), allServices);
    } else {
      await respondFor(context, request, response, names);
    }
  });

  router.get("/:name/federate", async (request, response) => {
    await respondFor(context, request, response, [request.params.name]);
  });
}

/**
 * Sends the scrapes of all names, each once. An unknown name is an error, because nothing else would reveal it. With
 * many names the search for similar ones is slow, so it is done for one name only.
 */
async function respondFor(
  context: ServerContext,
  request: Request,
  response: Response,
  names: readonly string[],
): Promise<void> {
  const named = names.map((name) => ({ name, scrapes: context.cache.named(name) }));
  const scrapes = named.flatMap((one) => one.scrapes);
  const missing = named.filter((one) => one.scrapes.length === 0).map(({ name }) => name);
  const unknown = missing.length === 0 ? undefined : firstUnknown(context, missing);
  const explained = unknown ?? (scrapes.length === 0 ? missing[0] : undefined);
  if (explained !== undefined) sendText(response, ...explainMissing(context, explained, undefined));
  else {
    const job = names.length === 1 ? scrapes[0]!.job : allServices;
    await send(context, request, response, onePerInstance(scrapes), job);
  }
}

/** Sends one exposition made of all scrapes. Clients that request the same at once share the work and the body. */
async function send(
  { clock, responses }: ServerContext,
  request: Request,
  response: Response,
  scrapes: readonly Scrape[],
  name: string,
): Promise<void> {
  const parts = scrapes
    .filter((scrape) => hasUsableClock(scrape, clock))
    .map((scrape) => ({ scrape, timestamp: scrape.scrapedAt }));
  const prepared = await responses.get({ name, kind: "federate", parts, client: signalOf(response) });
  await sendExposition(response, prepared, {
    gzipped: acceptsGzip(request),
    bodies: responses.bodies,
    headers: { Vary: "Accept-Encoding", ...clockHeader(scrapes, clock) },
  });
}

function clockHeader(scrapes: Iterable<Scrape>, clock: Clock): Record<string, string> {
  const wrong = [...clockOffsets(scrapes, clock)].filter(([, offset]) => Math.abs(offset) > clockTolerance);
  if (wrong.length === 0) return {};
  const listed = wrong
    .slice(0, maxOriginsInHeader)
    .map(([origin, offset]) => `${encodeURIComponent(origin)}=${offset.toFixed(1)}`);
  return { "X-Clock-Offset": listed.join(", ") };
}
