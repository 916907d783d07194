import type { IRouter, Request, Response } from "express";
import { withSlashes } from "../../model/metrics-path.js";
import { ageOf, type Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import type { ServerContext } from "../context.js";
import { nothingFor } from "../responses/explain-missing.js";
import { acceptReader, chooseFormat } from "../responses/negotiate.js";
import { formatOf, tooMuchToMerge } from "../responses/prepared-responses.js";
import { sendExposition, sendText, takesGzip } from "../responses/send.js";

/** `/<name>/metrics` and `/<name>/<replica>/metrics`: the services' metrics, from the cache. */
export function serviceMetricsRoutes(router: IRouter, context: ServerContext): void {
  const { answers, cache, clock } = context;
  const readAccept = acceptReader();

  /** One entry in a format that the client takes goes out as its own bytes; anything else is prepared first. */
  const send = (
    request: Request,
    response: Response,
    entries: readonly Scrape[],
  ): Promise<void> | undefined => {
    const formats = entries.map(formatOf);
    const format = chooseFormat(readAccept(request.headers.accept), formats);
    const gzipped = takesGzip(request.headers["accept-encoding"]);
    const monotonic = clock.monotonic();
    const age = Math.max(...entries.map((entry) => ageOf(entry, monotonic)));
    const [only] = entries;
    if (only !== undefined && entries.length === 1 && gzipped && formats[0] === format) {
      if (!answers.reader.isChecked(only)) return sendChecked(only);
      sendAsItIs(only);
    } else if (tooMuchToMerge(entries)) {
      sendText(response, 503, ["too much to be merged; ask for one:", ...entries.map(pathOf)].join("\n"));
    } else {
      return sendPrepared();
    }
    return undefined;

    function sendAsItIs({ contentType, gzip }: Scrape): void {
      sendExposition(response, { contentType, age, gzipped, body: gzip });
    }

    async function sendChecked(entry: Scrape): Promise<void> {
      if (await answers.reader.check(entry)) sendAsItIs(entry);
      else refuse();
    }

    function refuse(): void {
      const reasons = entries.map(
        (entry) => `${instanceOf(entry)}: ${answers.reader.reasonFor(entry) ?? "damaged"}`,
      );
      sendText(response, 503, `nothing to serve until the next scrape: ${reasons.join("; ")}`);
    }

    async function sendPrepared(): Promise<void> {
      const answer = await answers.get(entries, format);
      if (answer.sources === 0) return refuse();
      sendExposition(response, {
        contentType: answer.contentType,
        age,
        gzipped,
        body: await answer.body(gzipped),
      });
    }
  };

  const answer = (
    request: Request,
    response: Response,
    name: string,
    replica: string | undefined,
  ): Promise<void> | undefined => {
    const named = cache.named(name);
    const entries = replica === undefined ? named : named.filter((entry) => entry.replica === replica);
    if (entries.length > 0) return send(request, response, entries);
    const [slashedName, slashedReplica] = [withSlashes(name), replica && withSlashes(replica)];
    if (slashedName !== name || slashedReplica !== replica)
      return answer(request, response, slashedName, slashedReplica);
    sendText(response, ...nothingFor(context, name, replica));
    return undefined;
  };

  router.get("/:name/metrics", (request, response) =>
    answer(request, response, request.params.name, undefined),
  );

  router.get("/:name/:replica/metrics", (request, response) =>
    answer(request, response, request.params.name, request.params.replica),
  );
}

/** By the full name: under a short one two stacks may have the same replica. */
function pathOf({ job, replica }: Scrape): string {
  return `/${encodeURIComponent(job)}/${encodeURIComponent(replica)}/metrics`;
}
