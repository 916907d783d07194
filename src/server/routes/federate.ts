import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";
import type { IRouter, Request, Response } from "express";
import { Federation } from "../../exposition/federate.js";
import { contentTypes } from "../../exposition/format.js";
import type { Clock } from "../../model/clock.js";
import { clockOffsets, tellsTheTime } from "../../model/clock-offset.js";
import { onePerInstance, type Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import type { ServerContext } from "../context.js";
import { firstUnknown, nothingFor } from "../responses/explain-missing.js";
import { formatOf } from "../responses/prepared-responses.js";
import { sendText, takesGzip } from "../responses/send.js";
import { inTurns } from "../responses/time-slices.js";

const maxNames = 1000;
/** Seconds for an answer: what it is made of is held until it is read, though the cache has newer by then. */
const defaultSeconds = 120;
/** The most origins that one header names; `/targets` names them all. */
const maxOriginsTold = 50;

/**
 * `/federate` and `/<name>/federate`: every sample with its `job`, `instance` and the time of its scrape, which is
 * that of the origin's clock: so all nodes answer the same for the same entry. Where that clock differs from this
 * node's by more than 5 s, its samples come without that time, and the header X-Clock-Offset names the origin with
 * the seconds that it is ahead: `n2=7200.0, n3=-31.4`. A source that is damaged is left out.
 */
export function federateRoutes(router: IRouter, context: ServerContext): void {
  const { cache } = context;

  router.get("/federate", async (request, response) => {
    const names = namesIn(request.url);
    if (names.length > maxNames) {
      sendText(response, 400, `name is given as ?name=a&name=b, with ${maxNames} names at most`);
    } else if (names.length === 0) {
      await stream(context, request, response, cache.fresh());
    } else {
      await answerFor(context, request, response, names);
    }
  });

  router.get("/:name/federate", async (request, response) => {
    await answerFor(context, request, response, [request.params.name]);
  });
}

/** Every value of the parameter `name`, each once. The parser that Express has leaves out what is behind 1,000 others. */
function namesIn(url: string): string[] {
  const query = url.indexOf("?");
  return query < 0 ? [] : [...new Set(new URLSearchParams(url.slice(query)).getAll("name"))];
}

/**
 * Answers for all of the names, each entry once; an unknown name is an error, as it is nowhere else to be seen. What
 * may have been meant is looked for once, as that takes a while: there may be many names.
 */
async function answerFor(
  context: ServerContext,
  request: Request,
  response: Response,
  names: readonly string[],
): Promise<void> {
  const named = names.map((name) => ({ name, entries: context.cache.named(name) }));
  const entries = named.flatMap((one) => one.entries);
  const missing = named.filter((one) => one.entries.length === 0).map(({ name }) => name);
  const unknown = missing.length === 0 ? undefined : firstUnknown(context, missing);
  const refused = unknown ?? (entries.length === 0 ? missing[0] : undefined);
  if (refused !== undefined) sendText(response, ...nothingFor(context, refused, undefined));
  else await stream(context, request, response, onePerInstance(entries));
}

/**
 * Sends entry by entry, as fast as the client reads, so that memory does not grow with the answer. A client that does
 * not take it in time is cut off.
 */
async function stream(
  context: ServerContext,
  request: Request,
  response: Response,
  entries: readonly Scrape[],
): Promise<void> {
  const untimed = new Set(entries.filter((entry) => !tellsTheTime(entry, context.clock)));
  const gzipped = takesGzip(request.headers["accept-encoding"]);
  response.statusCode = 200;
  response.setHeader("Content-Type", contentTypes.text);
  response.setHeader("Vary", "Accept-Encoding");
  if (gzipped) response.setHeader("Content-Encoding", "gzip");
  if (untimed.size > 0) response.setHeader("X-Clock-Offset", tellOffsets(untimed, context.clock));
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const body = Readable.from(federated(context, entries, untimed), { objectMode: false });
  const cut = setTimeout(() => response.destroy(), (context.federateSeconds ?? defaultSeconds) * 1000);
  try {
    if (gzipped) await pipeline(body, createGzip({ level: constants.Z_BEST_SPEED }), response);
    else await pipeline(body, response);
  } catch (error) {
    // A client that leaves before the end is nobody's fault.
    if (!response.destroyed || !request.socket.destroyed) throw error;
  } finally {
    clearTimeout(cut);
  }
}

async function* federated(
  { answers }: ServerContext,
  entries: readonly Scrape[],
  untimed: ReadonlySet<Scrape>,
): AsyncGenerator<Buffer> {
  const federation = new Federation();
  for (const entry of entries) {
    const bytes = await answers.reader.read(entry);
    if (bytes === undefined) continue;
    const source = {
      bytes,
      format: formatOf(entry),
      labels: [["job", entry.job] as const, ["instance", instanceOf(entry)] as const],
      ...(untimed.has(entry) ? {} : { timestamp: entry.scrapedAt }),
    };
    yield await inTurns(federation.add(source));
  }
}

function tellOffsets(entries: Iterable<Scrape>, clock: Clock): string {
  return [...clockOffsets(entries, clock)]
    .slice(0, maxOriginsTold)
    .map(([origin, offset]) => `${encodeURIComponent(origin)}=${offset.toFixed(1)}`)
    .join(", ");
}
