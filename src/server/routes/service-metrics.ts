import type { IRouter, Request, Response } from "express";
import { contentTypes } from "../../exposition/format.js";
import { withSlashes } from "../../model/metrics-path.js";
import { ageOf, type Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import type { ServerContext } from "../context.js";
import { explainMissing, explainMissingOwn } from "../responses/explain-missing.js";
import { acceptReader, chooseFormat } from "../responses/negotiate.js";
import { formatOf } from "../responses/scrape-reader.js";
import {
  acceptsGzip,
  type Exposition,
  queryValues,
  sendExposition,
  sendText,
  signalOf,
} from "../responses/send.js";

/** The maximum number of replicas that a 503 lists. */
const maxListed = 100;

/** The parameters of a request. */
interface Query {
  /** `own=1`: only what this node scrapes itself, so that Prometheus can scrape all nodes and gets each replica once. */
  readonly own: boolean;
  /** `instance=always`: every sample has `job` and `instance`, however many replicas there are. */
  readonly identified: boolean;
}

/** `/<name>/metrics` and `/<name>/<replica>/metrics`: the metrics of a service, from the cache. */
export function serviceMetricsRoutes(router: IRouter, context: ServerContext): void {
  const { responses, cache, clock } = context;
  const readAccept = acceptReader();

  /** A single scrape in an accepted format is sent byte for byte, at once; anything else is prepared first. */
  const send = (
    request: Request,
    response: Response,
    scrapes: readonly Scrape[],
    identified: boolean,
  ): Promise<void> | undefined => {
    const formats = scrapes.map(formatOf);
    const format = chooseFormat(readAccept(request.headers.accept), formats);
    const gzipped = acceptsGzip(request);
    const age = ageOfOldest(scrapes, clock.monotonic());
    const sendNow = (exposition: Exposition) =>
      sendExposition(response, exposition, {
        gzipped,
        bodies: responses.bodies,
        headers: { Age: String(Math.floor(age)), Vary: "Accept, Accept-Encoding" },
      });
    const [only] = scrapes;
    const isUnchanged = scrapes.length === 1 && formats[0] === format && !identified;
    const single = isUnchanged ? only : undefined;
    if (single === undefined || !responses.reader.isChecked(single)) return prepare();
    return sendNow(single);

    async function prepare(): Promise<void> {
      const client = signalOf(response);
      const name = only!.job;
      if (single !== undefined) {
        return (await responses.check(name, single, client)) ? sendNow(single) : sendDamaged();
      }
      if (!responses.canMerge(scrapes)) return sendAdvice("too large to merge");
      const prepared = await responses.get({
        name,
        kind: format,
        parts: scrapes.map((scrape) => ({ scrape })),
        identified,
        client,
      });
      if (prepared.sources === 0) return sendDamaged();
      return prepared.failure === undefined ? sendNow(prepared) : sendAdvice(prepared.failure);
    }

    function sendAdvice(reason: string): void {
      sendText(response, 503, [`${reason}; request a single replica:`, ...pathsOf(scrapes)].join("\n"));
    }

    function sendDamaged(): void {
      const reasons = scrapes
        .slice(0, maxListed)
        .map((scrape) => `${instanceOf(scrape)}: ${responses.reader.reasonFor(scrape) ?? "damaged"}`);
      sendText(response, 503, `nothing to serve until the next scrape: ${reasons.join("; ")}`);
    }
  };

  const respond = (
    request: Request,
    response: Response,
    query: Query,
    name: string,
    replica?: string,
  ): Promise<void> | undefined => {
    const named = cache.named(name, replica);
    const scrapes = query.own ? named.filter((scrape) => cache.isOwn(scrape)) : named;
    if (scrapes.length > 0) return send(request, response, scrapes, query.identified);
    const [slashedName, slashedReplica] = [withSlashes(name), replica && withSlashes(replica)];
    if (slashedName !== name || slashedReplica !== replica)
      return respond(request, response, query, slashedName, slashedReplica);
    const explained = query.own
      ? explainMissingOwn(context, named, name, replica)
      : explainMissing(context, name, replica);
    if (explained === undefined) sendEmpty(response);
    else sendText(response, ...explained);
    return undefined;
  };

  const route = (request: Request, response: Response, name: string, replica?: string) => {
    const query = readQuery(request.url);
    if (typeof query !== "string") return respond(request, response, query, name, replica);
    sendText(response, 400, query);
    return undefined;
  };

  router.get("/:name/metrics", (request, response) => route(request, response, request.params.name));

  router.get("/:name/:replica/metrics", (request, response) =>
    route(request, response, request.params.name, request.params.replica),
  );
}

/** The parameters in a URL, or what is wrong with them. */
function readQuery(url: string): Query | string {
  const own = queryValues(url, "own");
  const instance = queryValues(url, "instance");
  if (own.length > 1 || (own[0] ?? "1") !== "1") return "parameter own: must be 1, once";
  if (instance.length > 1 || (instance[0] ?? "always") !== "always")
    return "parameter instance: must be always, once";
  return { own: own.length > 0, identified: instance.length > 0 };
}

/** An exposition without samples: the scrape succeeds. */
function sendEmpty(response: Response): void {
  response.statusCode = 200;
  response.setHeader("Content-Type", contentTypes.text);
  response.end();
}

function ageOfOldest(scrapes: readonly Scrape[], monotonic: number): number {
  return scrapes.reduce((oldest, scrape) => Math.max(oldest, ageOf(scrape, monotonic)), 0);
}

/** Paths with the full name: under a short name, two stacks may have the same replica. */
function pathsOf(scrapes: readonly Scrape[]): string[] {
  return scrapes
    .slice(0, maxListed)
    .map(({ job, replica }) => `/${encodeURIComponent(job)}/${encodeURIComponent(replica)}/metrics`);
}
