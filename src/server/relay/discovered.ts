import type { Target } from "../../model/target.js";

/**
 * Whether discovery found a target at this host and port: the address counts as it stands in the URLs at which
 * targets of this node are asked.
 *
 * @param host a name or an address without brackets.
 */
export function isDiscovered(targets: Iterable<Target>, host: string, port: number): boolean {
  const authority = host.includes(":") ? `[${host}]` : host;
  const beginnings = ["http", "https"]
    .map((scheme) => `${scheme}://${authority}:${port}`)
    .filter((url) => URL.canParse(url))
    .map((url) => new URL(url).href);
  for (const { fetch } of targets) {
    if (fetch.kind !== "http") continue;
    if (fetch.urls.some((url) => beginnings.some((beginning) => url.startsWith(beginning)))) return true;
  }
  return false;
}
