import ipaddr from "ipaddr.js";
import { firstOf, parseAddress } from "./ip.js";

/** Bits of an IPv6 address that one subnet has in common (RFC 4291, 2.5.4): a host may take any of the rest. */
const subnetPrefix = 64;

/**
 * What one client can have of addresses, to count them together: one of IPv4, or the /64 network of IPv6 from which it
 * may take any. IPv4 in the dress of IPv6 counts as IPv4.
 *
 * @param address as a socket has it: an IPv6 one perhaps with a zone; undefined where the socket is closed.
 * @returns such as `192.0.2.1` or `2001:db8::/64`; `unknown` for what is no address, so that all of it counts together.
 */
export function addressBlock(address: string | undefined): string {
  const ip = parseAddress(address?.split("%")[0] ?? "");
  if (ip === undefined) return "unknown";
  return ip instanceof ipaddr.IPv6 ? `${firstOf(ip, subnetPrefix)}/${subnetPrefix}` : ip.toString();
}
