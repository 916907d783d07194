import type { IRouter, Request, Response } from "express";
import { withSlashes } from "../../model/metrics-path.js";
import { ageOf, type Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import type { ServerContext } from "../context.js";
import { explainMissing } from "../responses/explain-missing.js";
import { acceptReader, chooseFormat } from "../responses/negotiate.js";
import { formatOf } from "../responses/scrape-reader.js";
import { acceptsGzip, type Exposition, sendExposition, sendText, signalOf } from "../responses/send.js";

/** The maximum number of replicas that a 503 lists. */
const maxListed = 100;

/** `/<name>/metrics` and `/<name>/<replica>/metrics`: the metrics of a service, from the cache. */
export function serviceMetricsRoutes(router: IRouter, context: ServerContext): void {
  const { responses, cache, clock } = context;
  const readAccept = acceptReader();

  /** A single scrape in an accepted format is sent byte for byte, at once; anything else is prepared first. */
  const send = (
    request: Request,
    response: Response,
    scrapes: readonly Scrape[],
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
    const single = scrapes.length === 1 && formats[0] === format ? only : undefined;
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
    name: string,
    replica?: string,
  ): Promise<void> | undefined => {
    const named = cache.named(name);
    const scrapes = replica === undefined ? named : named.filter((scrape) => scrape.replica === replica);
    if (scrapes.length > 0) return send(request, response, scrapes);
    const [slashedName, slashedReplica] = [withSlashes(name), replica && withSlashes(replica)];
    if (slashedName !== name || slashedReplica !== replica)
      return respond(request, response, slashedName, slashedReplica);
    sendText(response, ...explainMissing(context, name, replica));
    return undefined;
  };

  router.get("/:name/metrics", (request, response) => respond(request, response, request.params.name));

  router.get("/:name/:replica/metrics", (request, response) =>
    respond(request, response, request.params.name, request.params.replica),
  );
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
