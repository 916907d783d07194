import { isIPv6, SocketAddress } from "node:net";

/**
 * What one client can have of addresses: one of IPv4, or the /64 network of IPv6 from which it may take any. IPv4 in
 * the dress of IPv6 counts as IPv4.
 */
export function addressBlock(address: string | undefined): string {
  if (address === undefined) return "unknown";
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [bare = ""] = address.split("%");
  if (!isIPv6(bare)) return bare;
  // In its shortest form, where `::` stands at most once for the zeros that are left out.
  const [head = "", tail = ""] = new SocketAddress({ address: bare, family: "ipv6" }).address.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => "0");
  return `${[...front, ...zeros, ...back].slice(0, 4).join(":")}::/64`;
}
