import { isWithin, parseAddress } from "../../address/ip.js";

/**
 * Parses `no_proxy` like Go programs: `*` matches everything, an address or a CIDR matches addresses, and a name matches
 * itself and its subdomains (`.example.org` and `*.example.org`: only subdomains). All except CIDRs may have a port.
 * With a non-empty list, loopback bypasses the proxy too.
 *
 * @returns whether requests to a URL bypass the proxy.
 */
export function noProxyRule(parts: readonly string[]): (url: URL) => boolean {
  if (parts.length === 0) return () => false;
  const rules = [...parts, "127.0.0.0/8", "::1"].map((part) => ruleOf(part.toLowerCase()));
  return ({ hostname, port, protocol }) => {
    const host = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
    const number = port || (protocol === "https:" ? "443" : "80");
    return host === "localhost" || rules.some((rule) => rule(host, number));
  };
}

function ruleOf(part: string): (host: string, port: string) => boolean {
  if (part === "*") return () => true;
  const [, network, bits] = /^(.+)\/(\d{1,3})$/.exec(part) ?? [];
  if (network !== undefined) return networkRule(network, Number(bits));
  const bare = part.replace(/^\[(.*)\]$/, "$1");
  if (parseAddress(bare) !== undefined) return networkRule(bare);
  const [, bracketed, name, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(part) ?? [];
  const wanted = bracketed ?? name ?? bare;
  const matches = parseAddress(wanted) === undefined ? nameRule(wanted) : networkRule(wanted);
  return (host, given) => matches(host) && (port === undefined || port === given);
}

/** Matches the addresses of a network; without a prefix, one address. An invalid network matches nothing, as in Go. */
function networkRule(text: string, bits?: number): (host: string) => boolean {
  const network = parseAddress(text);
  const most = network?.kind() === "ipv4" ? 32 : 128;
  const prefix = bits ?? most;
  return (host) => {
    const address = parseAddress(host);
    return !!network && !!address && prefix <= most && isWithin(address, { network, prefix });
  };
}

function nameRule(name: string): (host: string) => boolean {
  const below = `.${name.replace(/^\*?\./, "")}`;
  const itself = name.startsWith(".") || name.startsWith("*.") ? undefined : name;
  return (host) => host === itself || host.endsWith(below);
}
