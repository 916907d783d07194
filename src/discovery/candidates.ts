import { isIPv6 } from "node:net";

/** The parts of the URLs at which a target may expose metrics. */
export interface CandidateParts {
  /** A host name, or an IPv4 or IPv6 address without brackets. */
  readonly address: string;
  /** In order of preference; duplicates are ignored. */
  readonly ports: readonly number[];
  /** Begins with a slash; may contain a query string. */
  readonly path: string;
  readonly scheme: "http" | "https";
}

/**
 * The URLs to try, in order of preference. Skips invalid URLs. Appends the path to the host unchanged, so that a path
 * with two leading slashes cannot change the host.
 */
export function candidateUrls({ address, ports, path, scheme }: CandidateParts): readonly string[] {
  const host = isIPv6(address) ? `[${address}]` : address;
  const texts = ports.map((port) => `${scheme}://${host}:${port}${path}`);
  return [...new Set(texts.filter((text) => URL.canParse(text)).map((text) => new URL(text).href))];
}
