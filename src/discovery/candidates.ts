import { isIPv6 } from "node:net";

/** Where a target may expose its metrics. */
export interface CandidateParts {
  /** Host names, IPv4 or IPv6 addresses (without brackets), in order of preference. */
  readonly addresses: readonly string[];
  /** In order of preference; repeats count once. */
  readonly ports: readonly number[];
  /** Begins with a slash; may carry a query string. */
  readonly path: string;
  readonly scheme: "http" | "https";
}

/**
 * The URLs to try, in order of preference: every port at the first address, then at the next. Parts that make
 * no valid URL are left out. The path is put behind the host as it stands, so that one that begins with two
 * slashes cannot lead to another host.
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
