import { BlockList, isIP } from "node:net";

/** Says of a URL whether it is asked directly although there is a proxy. */
export type NoProxy = (url: URL) => boolean;

/**
 * Reads `no_proxy` as Go's programs do: `*` for all, an address, a CIDR, or a name that stands for itself and all
 * below it (`.example.org` and `*.example.org`: only those below it); each but a CIDR perhaps with a port. Where
 * anything is given, loopback is asked directly too.
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
  // What is no network matches nothing, as in Go.
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
