import type { SecureVersion } from "node:tls";

/** TLS versions by their names in Prometheus' configuration files, oldest first. */
export const tlsVersions = {
  TLS10: "TLSv1",
  TLS11: "TLSv1.1",
  TLS12: "TLSv1.2",
  TLS13: "TLSv1.3",
} as const satisfies Record<string, SecureVersion>;
export type TlsVersionName = keyof typeof tlsVersions;

export const tlsVersionNames = Object.keys(tlsVersions) as readonly TlsVersionName[];

/** Whether `one` is newer than `other`. */
export function isNewer(one: SecureVersion, other: SecureVersion): boolean {
  return order.indexOf(one) > order.indexOf(other);
}
const order: readonly SecureVersion[] = Object.values(tlsVersions);

/** Whether OpenSSL 3 needs `@SECLEVEL=0` in the cipher list for this version. */
export function needsLowestLevel(version: SecureVersion): boolean {
  return version === "TLSv1" || version === "TLSv1.1";
}
