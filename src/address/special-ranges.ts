import { type IpAddress, type IpRange, isPartOf, rangeOf } from "./ip.js";

/**
 * Addresses that the proxy never sends a client's request to, by kind (IANA special-purpose address registries, RFC
 * 6890). Metadata services of cloud providers give credentials to any client; most of them are link-local, the others
 * are listed one by one.
 *
 * IPv6 addresses that contain an IPv4 address are forbidden, because a gateway may translate them to any IPv4 address.
 * IPv4-mapped addresses do not occur here: they are parsed as IPv4.
 */
const forbidden: readonly (readonly [kind: string, ranges: readonly IpRange[]])[] = [
  ["unspecified", ["0.0.0.0/8", "::/128"]],
  ["link-local", ["169.254.0.0/16", "fe80::/10"]],
  ["multicast", ["224.0.0.0/4", "ff00::/8"]],
  ["broadcast or reserved", ["240.0.0.0/4"]],
  [
    "a cloud metadata service",
    ["100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::/32", "fd20:ce::/32"],
  ],
  ["an IPv4 address embedded in NAT64", ["64:ff9b::/96", "64:ff9b:1::/48"]],
  ["an IPv4 address embedded in 6to4", ["2002::/16"]],
  ["an IPv4 address embedded in Teredo", ["2001::/32"]],
  ["an IPv4 address embedded in IPv6", ["::ffff:0:0:0/96"]],
].map(([kind, ranges]) => [kind as string, (ranges as string[]).map(rangeOf)]);

/** The deprecated IPv4-compatible addresses (RFC 4291 2.5.5.1); `::` and `::1` are in the same range. */
const ipv4Compatible = rangeOf("::/96");
const loopback = [rangeOf("127.0.0.0/8"), rangeOf("::1")];

/** The kind of a forbidden address, such as `link-local`; undefined if the address is not forbidden. */
export function forbiddenKind(address: IpAddress): string | undefined {
  return forbiddenKindOfRange(rangeOfOne(address));
}

/** The kind of a range whose addresses are all forbidden for the same reason; undefined for any other range. */
export function forbiddenKindOfRange(range: IpRange): string | undefined {
  const kind = forbidden.find(([, ranges]) => ranges.some((whole) => isPartOf(range, whole)))?.[0];
  if (kind !== undefined || isLoopbackRange(range) || !isPartOf(range, ipv4Compatible)) return kind;
  return "an IPv4 address embedded in IPv6";
}

/** Whether an address is a loopback address. */
export function isLoopback(address: IpAddress): boolean {
  return isLoopbackRange(rangeOfOne(address));
}

/** Whether a range contains only loopback addresses. */
export function isLoopbackRange(range: IpRange): boolean {
  return loopback.some((whole) => isPartOf(range, whole));
}

function rangeOfOne(network: IpAddress): IpRange {
  return { network, prefix: network.kind() === "ipv4" ? 32 : 128 };
}
