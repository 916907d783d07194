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
  const family = familyOf(wanted);
  const matches = family === undefined ? nameRule(wanted) : networkRule(wanted, bitsOf[family]);
  return (host, given) => matches(host) && (port === undefined || isIP(bare) !== 0 || port === given);
}

/** An invalid network matches nothing, as in Go. */
function networkRule(network: string, prefix: number): (host: string) => boolean {
  const family = familyOf(network);
  if (family === undefined || prefix > bitsOf[family]) return () => false;
  const list = new BlockList();
  list.addSubnet(network, prefix, family);
  return (host) => isIP(host) !== 0 && list.check(host, familyOf(host));
}

function nameRule(name: string): (host: string) => boolean {
  const below = `.${name.replace(/^\*?\./, "")}`;
  const itself = name.startsWith(".") || name.startsWith("*.") ? undefined : name;
  return (host) => host === itself || host.endsWith(below);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

const bitsOf = { ipv4: 32, ipv6: 128 } as const;

function familyOf(host: string): keyof typeof bitsOf | undefined {
  return isIP(host) === 0 ? undefined : isIP(host) === 6 ? "ipv6" : "ipv4";
}
