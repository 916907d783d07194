import { isIPv6 } from "node:net";

/** The parts of the URLs at which a target may expose metrics. */
export interface CandidateParts {
  /** Host names, IPv4 or IPv6 addresses (without brackets), in order of preference. */
  readonly addresses: readonly string[];
  /** In order of preference; duplicates are ignored. */
  readonly ports: readonly number[];
  /** Begins with a slash; may contain a query string. */
  readonly path: string;
  readonly scheme: "http" | "https";
}

/**
 * The URLs to try, in order of preference: every port of the first address, then of the next. Skips invalid URLs. Appends
 * the path to the host unchanged, so that a path with two leading slashes cannot change the host.
 */
export function candidateUrls(parts: CandidateParts): readonly string[] {
  const urls = new Set<string>();
  for (const address of parts.addresses) {
    const host = isIPv6(address) ? `[${address}]` : address;
    for (const port of parts.ports) {
      const text = `${parts.scheme}://${host}:${port}${parts.path}`;
      if (URL.canParse(text)) urls.add(new URL(text).href);
    }
  }
  return [...urls];
}
