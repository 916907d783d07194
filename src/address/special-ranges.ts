import { type IpAddress, type IpRange, isPartOf, isWithin, rangeOf } from "./ip.js";

/**
 * Where no request is ever sent on behalf of a client, with what these addresses are (IANA's special-purpose
 * registries, RFC 6890). The clouds' metadata services hand credentials to whoever asks: most are link-local, the
 * others are named one by one.
 *
 * An IPv6 address that wraps an IPv4 one leads to wherever some gateway unwraps it, so all of those are refused;
 * an IPv4-mapped one does not get here, as it is read as the IPv4 address that it is.
 */
const forbidden: readonly (readonly [kind: string, ranges: readonly IpRange[]])[] = [
  ["unspecified", ["0.0.0.0/8", "::/128"]],
  ["link-local", ["169.254.0.0/16", "fe80::/10"]],
  ["multicast", ["224.0.0.0/4", "ff00::/8"]],
  ["broadcast or reserved", ["240.0.0.0/4"]],
  [
    "a cloud's metadata service",
    ["100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::/32", "fd20:ce::/32"],
  ],
  ["an IPv4 address wrapped in NAT64", ["64:ff9b::/96", "64:ff9b:1::/48"]],
  ["an IPv4 address wrapped in 6to4", ["2002::/16"]],
  ["an IPv4 address wrapped in Teredo", ["2001::/32"]],
  ["an IPv4 address wrapped in IPv6", ["::ffff:0:0:0/96"]],
].map(([kind, ranges]) => [kind as string, (ranges as string[]).map(rangeOf)]);

/** The deprecated IPv4-compatible addresses (RFC 4291 2.5.5.1); `::` and `::1` lie in the same range. */
const ipv4Compatible = rangeOf("::/96");
const loopback = [rangeOf("127.0.0.0/8"), rangeOf("::1")];

/** What a forbidden address is, such as `link-local`; undefined for any other. */
export function forbiddenKind(address: IpAddress): string | undefined {
  const kind = forbidden.find(([, ranges]) => ranges.some((range) => isWithin(address, range)))?.[0];
  if (kind !== undefined || isLoopback(address) || !isWithin(address, ipv4Compatible)) return kind;
  return "an IPv4 address wrapped in IPv6";
}

/** The same for a range of which every address is forbidden for one reason. */
export function forbiddenKindOfRange(range: IpRange): string | undefined {
  const kind = forbidden.find(([, ranges]) => ranges.some((whole) => isPartOf(range, whole)))?.[0];
  if (kind !== undefined || isLoopbackRange(range) || !isPartOf(range, ipv4Compatible)) return kind;
  return "an IPv4 address wrapped in IPv6";
}

/** Whether an address is the machine itself, seen from itself. */
export function isLoopback(address: IpAddress): boolean {
  return loopback.some((range) => isWithin(address, range));
}

/** Whether a range has no other addresses than such. */
export function isLoopbackRange(range: IpRange): boolean {
  return loopback.some((whole) => isPartOf(range, whole));
}
