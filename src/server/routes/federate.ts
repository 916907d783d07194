import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";
import type { IRouter, Request, Response } from "express";
import { Federation } from "../../exposition/federate.js";
import { contentTypes } from "../../exposition/format.js";
import { type Entry, onePerInstance } from "../../model/entry.js";
import { instanceOf } from "../../model/target.js";
import type { ServerContext } from "../context.js";
import { nothingFor } from "../nothing-for.js";
import { formatOf, inflateEntry } from "../prepared-answers.js";
import { sendText, takesGzip } from "../send.js";

const maxNames = 1000;

/** `/federate` and `/<name>/federate`: every sample with its `job`, `instance` and the time of its scrape. */
export function federateRoutes(router: IRouter, context: ServerContext): void {
  const { cache } = context;

  router.get("/federate", async (request, response) => {
    const names = [request.query["name"] ?? []].flat();
    if (names.length > maxNames || !names.every((name) => typeof name === "string")) {
      sendText(response, 400, `name is given as ?name=a&name=b, ${maxNames} times at most`);
    } else if (names.length === 0) {
      await stream(request, response, cache.fresh());
    } else {
      await answerFor(context, request, response, names);
    }
  });

  router.get("/:name/federate", async (request, response) => {
    await answerFor(context, request, response, [request.params.name]);
  });
}

/** Answers for all of the names, each entry once; an unknown name is an error, as it is nowhere else to be seen. */
async function answerFor(
  context: ServerContext,
  request: Request,
  response: Response,
  names: readonly string[],
): Promise<void> {
  const named = names.map((name) => ({ name, entries: context.cache.named(name) }));
  const entries = named.flatMap((one) => one.entries);
  const missing = named
    .filter((one) => one.entries.length === 0)
    .map(({ name }) => nothingFor(context, name, undefined));
  const unknown = missing.find(([status]) => status === 404);
  const refusal = unknown ?? (entries.length === 0 ? missing[0] : undefined);
  if (refusal !== undefined) sendText(response, ...refusal);
  else await stream(request, response, onePerInstance(entries));
}

/** Sends entry by entry, as fast as the client reads, so that memory does not grow with the answer. */
async function stream(request: Request, response: Response, entries: readonly Entry[]): Promise<void> {
  const gzipped = takesGzip(request.headers["accept-encoding"]);
  response.statusCode = 200;
  response.setHeader("Content-Type", contentTypes.text);
  response.setHeader("Vary", "Accept-Encoding");
  if (gzipped) response.setHeader("Content-Encoding", "gzip");
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const body = Readable.from(federated(entries), { objectMode: false });
  try {
    if (gzipped) await pipeline(body, createGzip({ level: constants.Z_BEST_SPEED }), response);
    else await pipeline(body, response);
  } catch (error) {
    // A client that leaves before the end is nobody's fault.
    if (!response.destroyed || !request.socket.destroyed) throw error;
  }
}

async function* federated(entries: readonly Entry[]): AsyncGenerator<Buffer> {
  const federation = new Federation();
  for (const entry of entries) {
    yield federation.add({
      bytes: await inflateEntry(entry),
      format: formatOf(entry),
      labels: [
        ["job", entry.job],
        ["instance", instanceOf(entry)],
      ],
      timestamp: entry.scrapedAt,
    });
  }
}
