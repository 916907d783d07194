import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";
import type { IRouter, Request, Response } from "express";
import { Federation } from "../../exposition/federate.js";
import { contentTypes } from "../../exposition/format.js";
import type { Clock } from "../../model/clock.js";
import { clockOffsets, hasUsableClock } from "../../model/clock-offset.js";
import { onePerInstance, type Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import type { ServerContext } from "../context.js";
import { explainMissing, firstUnknown } from "../responses/explain-missing.js";
import { formatOf } from "../responses/scrape-reader.js";
import { acceptsGzip, queryValues, sendText } from "../responses/send.js";
import { runInSlices } from "../responses/time-slices.js";

const maxNames = 1000;
/** Seconds a client may take: until then the response holds its scrapes, although the cache has newer ones. */
const defaultSeconds = 120;
/** The maximum number of origins in the header X-Clock-Offset; `/targets` lists them all. */
const maxOriginsInHeader = 50;

/**
 * `/federate` and `/<name>/federate`: every sample with its `job`, `instance` and the timestamp of its scrape. The
 * timestamp is taken from the origin's clock, so that all nodes send the same for the same scrape. Where that clock is
 * off by more than 5 s, the samples have no timestamp, and the header X-Clock-Offset lists the origin with the seconds
 * by which it is ahead: `n2=7200.0, n3=-31.4`. Damaged scrapes are omitted.
 */
export function federateRoutes(router: IRouter, context: ServerContext): void {
  const { cache } = context;

  router.get("/federate", async (request, response) => {
    const names = [...new Set(queryValues(request.url, "name"))];
    if (names.length > maxNames) {
      sendText(response, 400, `at most ${maxNames} names are allowed: ?name=a&name=b`);
    } else if (names.length === 0) {
      await stream(context, request, response, cache.fresh());
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
  else await stream(context, request, response, onePerInstance(scrapes));
}

/**
 * Sends one scrape after the other as fast as the client reads, so that memory does not grow with the response. A
 * client that is too slow is disconnected.
 */
async function stream(
  context: ServerContext,
  request: Request,
  response: Response,
  scrapes: readonly Scrape[],
): Promise<void> {
  const untimed = new Set(scrapes.filter((scrape) => !hasUsableClock(scrape, context.clock)));
  const gzipped = acceptsGzip(request);
  response.statusCode = 200;
  response.setHeader("Content-Type", contentTypes.text);
  response.setHeader("Vary", "Accept-Encoding");
  if (gzipped) response.setHeader("Content-Encoding", "gzip");
  if (untimed.size > 0) response.setHeader("X-Clock-Offset", formatOffsets(untimed, context.clock));
  if (request.method === "HEAD") return void response.end();
  const body = Readable.from(federated(context, scrapes, untimed), { objectMode: false });
  const timeout = setTimeout(() => response.destroy(), (context.federateSeconds ?? defaultSeconds) * 1000);
  try {
    if (gzipped) await pipeline(body, createGzip({ level: constants.Z_BEST_SPEED }), response);
    else await pipeline(body, response);
  } catch (error) {
    // Not an error if the client has disconnected.
    if (!response.destroyed || !request.socket.destroyed) throw error;
  } finally {
    clearTimeout(timeout);
  }
}

async function* federated(
  { responses }: ServerContext,
  scrapes: readonly Scrape[],
  untimed: ReadonlySet<Scrape>,
): AsyncGenerator<Buffer> {
  const federation = new Federation();
  for (const scrape of scrapes) {
    const bytes = await responses.reader.read(scrape);
    if (bytes === undefined) continue;
    const source = {
      bytes,
      format: formatOf(scrape),
      labels: [["job", scrape.job] as const, ["instance", instanceOf(scrape)] as const],
      ...(untimed.has(scrape) ? {} : { timestamp: scrape.scrapedAt }),
    };
    yield await runInSlices(federation.add(source));
  }
}

function formatOffsets(scrapes: Iterable<Scrape>, clock: Clock): string {
  return [...clockOffsets(scrapes, clock)]
    .slice(0, maxOriginsInHeader)
    .map(([origin, offset]) => `${encodeURIComponent(origin)}=${offset.toFixed(1)}`)
    .join(", ");
}
