import { BlockList, isIP } from "node:net";

/** Whether requests to a URL bypass the proxy. */
export type NoProxy = (url: URL) => boolean;

/**
 * Parses `no_proxy` like Go programs: `*` matches everything, an address or a CIDR matches addresses, and a name matches
 * itself and its subdomains (`.example.org` and `*.example.org`: only subdomains). All except CIDRs may have a port.
 * With a non-empty list, loopback bypasses the proxy too.
 */
export function noProxyRule(parts: readonly string[]): NoProxy {
  if (parts.length === 0) return () => false;
  const rules = parts.map((part) => ruleOf(part.toLowerCase()));
  return ({ hostname, port, protocol }) => {
    const host = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
    const number = port || (protocol === "https:" ? "443" : "80");
    return isLoopback(host) || rules.some((rule) => rule(host, number));
  };
}

type Rule = (host: string, port: string) => boolean;

function ruleOf(part: string): Rule {
  if (part === "*") return () => true;
  const [, network, prefix] = /^(.+)\/(\d{1,3})$/.exec(part) ?? [];
  if (network !== undefined) return networkRule(network, Number(prefix));
  const bare = part.replace(/^\[(.*)\]$/, "$1");
  const [, bracketed, name, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(part) ?? [];
  const wanted = isIP(bare) ? bare : (bracketed ?? name ?? bare);
  const matches = isIP(wanted) ? addressRule(wanted) : nameRule(wanted);
  return (host, given) => matches(host) && (port === undefined || isIP(bare) !== 0 || port === given);
}

function addressRule(address: string): (host: string) => boolean {
  const list = new BlockList();
  list.addAddress(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  return (host) => isIn(list, host);
}

function networkRule(network: string, prefix: number): Rule {
  const family = isIP(network);
  // An invalid network matches nothing, as in Go.
  if (family === 0 || prefix > (family === 6 ? 128 : 32)) return () => false;
  const list = new BlockList();
  list.addSubnet(network, prefix, family === 6 ? "ipv6" : "ipv4");
  return (host) => isIn(list, host);
}

function nameRule(name: string): (host: string) => boolean {
  const below = `.${name.replace(/^\*?\./, "")}`;
  const itself = name.startsWith(".") || name.startsWith("*.") ? undefined : name;
  return (host) => host === itself || host.endsWith(below);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function isIn(list: BlockList, host: string): boolean {
  const family = isIP(host);
  return family !== 0 && list.check(host, family === 6 ? "ipv6" : "ipv4");
}
