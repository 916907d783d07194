import { isIPv4, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";

/** An IPv4 or IPv6 address. One spelled as an IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) is the IPv4 one. */
export type IpAddress = ipaddr.IPv4 | ipaddr.IPv6;

/** All addresses whose first `prefix` bits are those of `network`. */
export interface IpRange {
  readonly network: IpAddress;
  readonly prefix: number;
}

/**
 * Reads an address: four decimal numbers, or IPv6 without brackets and zone. Undefined for anything else, such as
 * the octal and integer spellings that some programs take.
 */
export function parseAddress(text: string): IpAddress | undefined {
  const address = parseAsSpelled(text);
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

/**
 * Reads `10.0.0.0/8` or `fd00::/8`; a lone address is a range of one.
 *
 * @returns the range, or what is wrong with the text, as the end of a sentence about it.
 */
export function parseRange(text: string): IpRange | string {
  const [address = "", bits, ...rest] = text.split("/");
  const network = parseAsSpelled(address);
  if (rest.length > 0 || network === undefined) return "is no network such as 10.0.0.0/8 or fd00::/8";
  if (network instanceof ipaddr.IPv6 && network.isIPv4MappedAddress())
    return `is IPv4 spelled as IPv6: write ${network.toIPv4Address()}`;
  const whole = network.kind() === "ipv4" ? 32 : 128;
  const prefix = bits === undefined ? whole : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (!(prefix <= whole)) return `needs a prefix from 0 to ${whole}`;
  const first = firstOf(network, prefix);
  if (!network.match(first, whole)) return `does not begin at its first address: write ${first}/${prefix}`;
  return { network, prefix };
}

/** Whether an address is in a range. */
export function isWithin(address: IpAddress, { network, prefix }: IpRange): boolean {
  return address.kind() === network.kind() && address.match(network, prefix);
}

/** Whether all of a range is in another. */
export function isPartOf(range: IpRange, whole: IpRange): boolean {
  return range.prefix >= whole.prefix && isWithin(range.network, whole);
}

/** A range that the program itself names. */
export function rangeOf(text: string): IpRange {
  const range = parseRange(text);
  if (typeof range === "string") throw new TypeError(`${text} ${range}`);
  return range;
}

/** In hexadecimal digits first, as the library reads `::1.2.3.4`, which is an address of its own, as a mapped one. */
function parseAsSpelled(text: string): IpAddress | undefined {
  if (isIPv4(text)) return ipaddr.IPv4.parse(text);
  if (!isIPv6(text) || text.includes("%")) return undefined;
  return ipaddr.IPv6.parse(new URL(`http://[${text}]`).hostname.slice(1, -1));
}

/** The first address of the network whose first `prefix` bits are those of an address. */
export function firstOf(address: IpAddress, prefix: number): IpAddress {
  const bytes = address.toByteArray().map((byte, index) => {
    const bits = Math.min(Math.max(prefix - index * 8, 0), 8);
    return byte & (0xff << (8 - bits)) & 0xff;
  });
  return ipaddr.fromByteArray(bytes);
}
