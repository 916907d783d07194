import ipaddr from "ipaddr.js";
import { firstOf, parseAddress } from "./ip.js";

/** Length of an IPv6 subnet prefix (RFC 4291, 2.5.4). A host may use any address in its subnet. */
const subnetPrefix = 64;

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
