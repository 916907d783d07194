import { type Request, type Response, Router } from "express";
import type { Entry } from "../../model/entry.js";
import { closeNames } from "../close-names.js";
import type { ServerContext } from "../context.js";
import { sendEntry, sendText } from "../send.js";
import { whyNothingFresh } from "../why-nothing-fresh.js";

/** `/<name>/metrics` and `/<name>/<replica>/metrics`: the services' metrics, from the cache. */
export function serviceMetricsRoutes(context: ServerContext): Router {
  const { cache, clock } = context;
  const router = Router({ caseSensitive: true, strict: true });

  const answer = async (request: Request, response: Response, entries: readonly Entry[]) => {
    const { name, replica } = request.params as { name: string; replica?: string };
    const [entry, ...more] = entries;
    if (entry === undefined) sendText(response, ...nothingFor(context, name, replica));
    else if (more.length === 0) await sendEntry(request, response, entry, clock.monotonic());
    else sendText(response, 501, severalSources(name, entries));
  };

  router.get("/:name/metrics", (request, response) =>
    answer(request, response, cache.named(request.params.name)),
  );

  router.get("/:name/:replica/metrics", (request, response) => {
    const { name, replica } = request.params;
    return answer(
      request,
      response,
      cache.named(name).filter((entry) => entry.replica === replica),
    );
  });

  return router;
}

/** Nothing to serve: 503 where the name is known, with the reason; else 404 with what may have been meant. */
function nothingFor(
  context: ServerContext,
  name: string,
  replica: string | undefined,
): [status: number, text: string] {
  const targets = context.targets().filter(({ target }) => target.names.includes(name));
  const asked = targets.filter(({ target }) => replica === undefined || target.replica === replica);
  if (asked.length > 0) {
    const reasons = asked.map((status) => whyNothingFresh(status, context.clock.now()));
    return [503, `nothing fresh for ${quote(name, replica)}: ${reasons.join("; ")}`];
  }
  const known = context.cache.names().concat(context.targets().flatMap(({ target }) => target.names));
  if (replica !== undefined && known.includes(name)) {
    const replicas = [...context.cache.named(name), ...targets.map(({ target }) => target)];
    const list = [...new Set(replicas.map((identity) => identity.replica))].join(", ");
    return [404, `unknown replica: ${quote(name, replica)}; there is ${list}`];
  }
  const close = closeNames(name, known);
  const hint = close.length === 0 ? "/targets lists what is known" : `close to it: ${close.join(", ")}`;
  return [404, `unknown name: ${quote(name, undefined)}; ${hint}`];
}

function severalSources(name: string, entries: readonly Entry[]): string {
  // By the full name: under a short one two stacks may have the same replica.
  const paths = entries.map(
    ({ job, replica }) => `/${encodeURIComponent(job)}/${encodeURIComponent(replica)}/metrics`,
  );
  return [
    `several sources answer to ${quote(name, undefined)}, and merging is not there yet; ask for one:`,
    ...paths,
  ].join("\n");
}

/** A name as it is repeated to the one who asked: on one line, and not at any length. */
function quote(name: string, replica: string | undefined): string {
  const text = JSON.stringify(name.slice(0, 200));
  return replica === undefined ? text : `${text}, replica ${JSON.stringify(replica.slice(0, 200))}`;
}
