import { isIPv4, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";

/** An IPv4 or IPv6 address. An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) is represented as IPv4. */
export type IpAddress = ipaddr.IPv4 | ipaddr.IPv6;

/** Length of an IPv6 subnet prefix (RFC 4291, 2.5.4). A host may use any address in its subnet. */
const subnetPrefix = 64;

/** All addresses that share the first `prefix` bits with `network`. */
export interface IpRange {
  readonly network: IpAddress;
  readonly prefix: number;
}

/**
 * Parses an address: four decimal numbers, or IPv6 without brackets and zone. Returns undefined for anything else, such
 * as the octal and integer notations that some programs accept.
 */
export function parseAddress(text: string): IpAddress | undefined {
  const address = parseAsSpelled(text);
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

/**
 * Parses `10.0.0.0/8` or `fd00::/8`. A single address is a range of one.
 *
 * @returns the range, or an error message that continues a sentence starting with the text.
 */
export function parseRange(text: string): IpRange | string {
  const [address = "", bits, ...rest] = text.split("/");
  const network = parseAsSpelled(address);
  if (rest.length > 0 || network === undefined) return "is not a network such as 10.0.0.0/8 or fd00::/8";
  if (network instanceof ipaddr.IPv6 && network.isIPv4MappedAddress())
    return `is an IPv4-mapped IPv6 network: write ${network.toIPv4Address()}`;
  const whole = network.kind() === "ipv4" ? 32 : 128;
  const prefix = bits === undefined ? whole : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (!(prefix <= whole)) return `needs a prefix from 0 to ${whole}`;
  const first = firstOf(network, prefix);
  if (!network.match(first, whole)) return `has bits set after the prefix: write ${first}/${prefix}`;
  return { network, prefix };
}

/** Whether a range contains an address. */
export function isWithin(address: IpAddress, { network, prefix }: IpRange): boolean {
  return address.kind() === network.kind() && address.match(network, prefix);
}

/** Whether a range is part of another. */
export function isPartOf(range: IpRange, whole: IpRange): boolean {
  return range.prefix >= whole.prefix && isWithin(range.network, whole);
}

/**
 * Parses a range that is a constant in the source code.
 *
 * @throws TypeError if it is invalid.
 */
export function rangeOf(text: string): IpRange {
  const range = parseRange(text);
  if (typeof range === "string") throw new TypeError(`${text} ${range}`);
  return range;
}

/**
 * The block of addresses that one client can use, for limits per client: a single IPv4 address, or an IPv6 /64 network.
 * An IPv4-mapped IPv6 address counts as IPv4.
 *
 * @param address as reported by a socket: IPv6 may include a zone; undefined if the socket is closed.
 * @returns for example `192.0.2.1` or `2001:db8::/64`; `unknown` for all invalid addresses, which share one limit.
 */
export function addressBlock(address: string | undefined): string {
  const ip = parseAddress(address?.split("%")[0] ?? "");
  if (ip === undefined) return "unknown";
  return ip instanceof ipaddr.IPv6 ? `${firstOf(ip, subnetPrefix)}/${subnetPrefix}` : ip.toString();
}

/** Converts IPv6 to hexadecimal first, because the library parses `::1.2.3.4` as an IPv4-mapped address, which it is not. */
function parseAsSpelled(text: string): IpAddress | undefined {
  if (isIPv4(text)) return ipaddr.IPv4.parse(text);
  if (!isIPv6(text) || text.includes("%")) return undefined;
  return ipaddr.IPv6.parse(new URL(`http://[${text}]`).hostname.slice(1, -1));
}

/** The first address of the network that consists of the first `prefix` bits of an address. */
function firstOf(address: IpAddress, prefix: number): IpAddress {
  const family = address instanceof ipaddr.IPv6 ? ipaddr.IPv6 : ipaddr.IPv4;
  return family.networkAddressFromCIDR(`${address}/${prefix}`);
}
