import { type IpRange, parseRange } from "../address/ip.js";
import { forbiddenKindOfRange } from "../address/special-ranges.js";
import { type Reader, wordsOf } from "./readers.js";

/** An inclusive range of ports. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Allows requests to the addresses of a range, whatever host name the URL contains. */
export interface AllowedRange {
  readonly kind: "range";
  readonly range: IpRange;
  readonly ports: PortRange;
}

/** Allows requests to a host name, whatever address it resolves to. */
export interface AllowedName {
  readonly kind: "name";
  /** In lower case. */
  readonly name: string;
  /** Whether the entry allows all subdomains, but not the name itself. */
  readonly below: boolean;
  readonly ports: PortRange;
}

/** The parsed value of RELAY_ALLOW. */
export interface RelayAllow {
  /** Whether the addresses of the targets that this node discovered are allowed. */
  readonly targets: boolean;
  readonly entries: readonly (AllowedRange | AllowedName)[];
  /** The value of the variable. */
  readonly text: string;
}

/** Docker's registered ports: API without TLS, API with TLS, Swarm management. */
export const dockerPorts: readonly number[] = [2375, 2376, 2377];

const form =
  "a list of targets, networks, addresses and names with ports, such as targets, 10.0.0.0/8:9100, [fd00::/8]:*, " +
  "node1:9100 or *.example.internal:9100-9200, separated by spaces or commas";

/**
 * Parses RELAY_ALLOW:
 *
 *     list  = entry, { spaces or commas, entry }
 *     entry = "targets" | host, ":", ports
 *     host  = IPv4 address | IPv4 network | "[", IPv6 address | IPv6 network, "]" | name | "*.", name
 *     ports = port | port, "-", port | "*"
 */
export const relayAllow: Reader<RelayAllow> = (text) => {
  const entries: (AllowedRange | AllowedName)[] = [];
  const faults: string[] = [];
  let targets = false;
  for (const part of wordsOf(text)) {
    const entry = part === "targets" ? undefined : readEntry(part);
    if (entry === undefined) targets = true;
    else if (typeof entry === "string") faults.push(`${JSON.stringify(part)} ${entry}`);
    else entries.push(entry);
  }
  if (faults.length > 0) return { expected: `${form}; ${faults.join("; ")}` };
  return targets || entries.length > 0 ? { value: { targets, entries, text } } : { expected: form };
};

/** @returns the entry, or the problem as a predicate whose subject is the text. */
function readEntry(text: string): AllowedRange | AllowedName | string {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(text);
  if (match === null) return "is no valid entry; put an IPv6 address in brackets";
  const [, ipv6, host = "", portText] = match;
  if (portText === undefined) return `has no port: write ${text}:9100, or ${text}:* for all ports`;
  const ports = readPorts(portText);
  if (typeof ports === "string") return ports;
  if (ipv6 !== undefined && !ipv6.includes(":")) return "has brackets without an IPv6 address";
  const network = ipv6 ?? (/^[\d.]+(\/.*)?$/.test(host) ? host : undefined);
  if (network === undefined) return readName(host, ports);
  const range = parseRange(network);
  if (typeof range === "string") return range;
  const kind = forbiddenKindOfRange(range);
  return kind === undefined ? { kind: "range", range, ports } : `is ${kind}, which is never relayed`;
}

function readPorts(text: string): PortRange | string {
  if (text === "*") return { first: 1, last: 65535 };
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (!(first >= 1 && first <= last && last <= 65535))
    return "needs a port from 1 to 65535, a range such as 9100-9200, or *";
  if (dockerPorts.some((port) => port === first && port === last))
    return `has the Docker engine's port ${first}, which is never relayed`;
  return { first, last };
}

function readName(host: string, ports: PortRange): AllowedName | string {
  const below = host.startsWith("*.");
  const name = (below ? host.slice(2) : host).toLowerCase();
  const labels = name.split(".");
  const valid =
    name.length <= 253 && labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
  if (!valid)
    return "has no valid host name, address or network before the port (a * is only allowed as *.name)";
  // The WHATWG URL parser reads such names as addresses, and no name pattern may match an address.
  if (/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!)) return "ends like an IP address, but is not one";
  return { kind: "name", name, below, ports };
}
