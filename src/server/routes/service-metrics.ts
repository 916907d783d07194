import type { IRouter, Request, Response } from "express";
import { withSlashes } from "../../model/metrics-path.js";
import { ageOf, type Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import type { ServerContext } from "../context.js";
import { explainMissing } from "../responses/explain-missing.js";
import { acceptReader, chooseFormat } from "../responses/negotiate.js";
import { tooLargeToMerge } from "../responses/prepared-responses.js";
import { formatOf } from "../responses/scrape-reader.js";
import { acceptsGzip, sendExposition, sendText } from "../responses/send.js";

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
    const monotonic = clock.monotonic();
    const age = Math.max(...scrapes.map((scrape) => ageOf(scrape, monotonic)));
    const [only] = scrapes;
    const isSingle = only !== undefined && scrapes.length === 1 && gzipped && formats[0] === format;
    const single = isSingle ? only : undefined;
    const sendSingle = ({ contentType, gzip }: Scrape) =>
      sendExposition(response, { contentType, age, gzipped, body: gzip });
    if (single === undefined || !responses.reader.isChecked(single)) return prepare();
    sendSingle(single);
    return undefined;

    async function prepare(): Promise<void> {
      if (single !== undefined && (await responses.reader.check(single))) return sendSingle(single);
      if (tooLargeToMerge(scrapes)) {
        const advice = ["too large to merge; request a single replica:", ...scrapes.map(pathOf)];
        return sendText(response, 503, advice.join("\n"));
      }
      const prepared = await responses.get(scrapes, format);
      if (prepared.sources > 0) {
        const { contentType } = prepared;
        return sendExposition(response, { contentType, age, gzipped, body: await prepared.body(gzipped) });
      }
      const reasons = scrapes.map(
        (scrape) => `${instanceOf(scrape)}: ${responses.reader.reasonFor(scrape) ?? "damaged"}`,
      );
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

/** The path with the full name: under a short name, two stacks may have the same replica. */
function pathOf({ job, replica }: Scrape): string {
  return `/${encodeURIComponent(job)}/${encodeURIComponent(replica)}/metrics`;
}
