import type { SecureVersion } from "node:tls";

/** TLS versions by their names in Prometheus' configuration files. Names and values sort by age. */
export const tlsVersions = {
  TLS10: "TLSv1",
  TLS11: "TLSv1.1",
  TLS12: "TLSv1.2",
  TLS13: "TLSv1.3",
} as const satisfies Record<string, SecureVersion>;
export const tlsVersionNames = Object.keys(tlsVersions) as readonly (keyof typeof tlsVersions)[];

/** Whether OpenSSL 3 needs `@SECLEVEL=0` in the cipher list for this version. */
export function needsLowestLevel(version: SecureVersion): boolean {
  return version < "TLSv1.2";
}

/** OpenSSL's names of elliptic curves, by Go's names. */
export const curves: ReadonlyMap<string, string> = new Map([
  ["CurveP256", "prime256v1"],
  ["CurveP384", "secp384r1"],
  ["CurveP521", "secp521r1"],
  ["X25519", "X25519"],
]);

/** As in Go, the suites of TLS 1.3 are always enabled, whether listed or not. */
const suitesOfTls13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/** OpenSSL's names of the cipher suites that Go considers secure, by Go's names. */
export const cipherSuites: ReadonlyMap<string, string> = new Map([
  ...suitesOfTls13.map((name): [string, string] => [name, name]),
  ["TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"],
  ["TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"],
  ["TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"],
  ["TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"],
  ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"],
  ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"],
  ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"],
  ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"],
  ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"],
  ["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"],
]);

/**
 * The cipher list for OpenSSL; undefined means the default of Node.js.
 *
 * @param chosen OpenSSL's names; empty for the default list.
 * @param minVersion the oldest accepted version.
 */
export function cipherList(chosen: readonly string[], minVersion: SecureVersion): string | undefined {
  const old = needsLowestLevel(minVersion);
  if (chosen.length === 0) return old ? "DEFAULT@SECLEVEL=0" : undefined;
  return [...new Set([...chosen, ...suitesOfTls13])].join(":") + (old ? ":@SECLEVEL=0" : "");
}
