import { closeNames } from "./close-names.js";
import type { ServerContext } from "./context.js";
import { whyNothingFresh } from "./why-nothing-fresh.js";

/** Nothing to serve: 503 where the name is known, with the reason; else 404 with what may have been meant. */
export function nothingFor(
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

/** A name as it is repeated to the one who asked: on one line, and not at any length. */
function quote(name: string, replica: string | undefined): string {
  const text = JSON.stringify(name.slice(0, 200));
  return replica === undefined ? text : `${text}, replica ${JSON.stringify(replica.slice(0, 200))}`;
}
