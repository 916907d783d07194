import { isIPv6 } from "node:net";

/**
 * The URLs at which a target may expose metrics, in order of preference. Skips invalid URLs. Appends the path to the
 * host unchanged, so that a path with two leading slashes cannot change the host.
 *
 * @param address a host name, or an IPv4 or IPv6 address without brackets.
 * @param ports in order of preference; duplicates are ignored.
 * @param path begins with a slash; may contain a query string.
 */
export function candidateUrls(
  scheme: "http" | "https",
  address: string,
  ports: readonly number[],
  path: string,
): readonly string[] {
  const host = isIPv6(address) ? `[${address}]` : address;
  const texts = ports.map((port) => `${scheme}://${host}:${port}${path}`);
  return [...new Set(texts.filter((text) => URL.canParse(text)).map((text) => new URL(text).href))];
}
