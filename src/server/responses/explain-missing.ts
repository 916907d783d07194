import { closeNames } from "../close-names.js";
import type { ServerContext } from "../context.js";
import { whyNotHeardOf, whyNothingFresh } from "../why-nothing-fresh.js";

/** The most reasons of one answer: it is one line. */
const maxReasons = 5;

/** Nothing to serve: 503 where the name is known, with the reason; else 404 with what may have been meant. */
export function nothingFor(
  context: ServerContext,
  name: string,
  replica: string | undefined,
): [status: number, text: string] {
  const { cache, clock } = context;
  const targets = context.targets().filter(({ target }) => target.names.includes(name));
  const asked = targets.filter(({ target }) => replica === undefined || target.replica === replica);
  const stale = cache.lastKnown(name);
  const elsewhere = stale.filter((last) => replica === undefined || last.replica === replica);
  if (asked.length + elsewhere.length > 0) {
    const reasons = new Set([
      ...asked.map((status) => whyNothingFresh(status, clock.now())),
      ...elsewhere.map((last) => whyNotHeardOf(last, cache, clock)),
    ]);
    const told = [...reasons].slice(0, maxReasons);
    return [503, `nothing fresh for ${quote(name, replica)}: ${told.join("; ")}`];
  }
  const known = cache.names().concat(context.targets().flatMap(({ target }) => target.names));
  if (replica !== undefined && (known.includes(name) || stale.length > 0)) {
    const replicas = [...cache.named(name), ...targets.map(({ target }) => target), ...stale];
    const list = [...new Set(replicas.map((identity) => identity.replica))].join(", ");
    return [404, `unknown replica: ${quote(name, replica)}; there is ${list}`];
  }
  const close = closeNames(name, known);
  const hint = close.length === 0 ? "/targets lists what is known" : `close to it: ${close.join(", ")}`;
  return [404, `unknown name: ${quote(name, undefined)}; ${hint}`];
}

/** The first of these names, which have nothing fresh, that nobody has ever heard of. */
export function firstUnknown(
  { cache, targets }: ServerContext,
  names: readonly string[],
): string | undefined {
  const ofTargets = new Set(targets().flatMap(({ target }) => target.names));
  return names.find((name) => !ofTargets.has(name) && cache.lastKnown(name).length === 0);
}

/** A name as it is repeated to the one who asked: on one line, and not at any length. */
function quote(name: string, replica: string | undefined): string {
  const text = JSON.stringify(name.slice(0, 200));
  return replica === undefined ? text : `${text}, replica ${JSON.stringify(replica.slice(0, 200))}`;
}
