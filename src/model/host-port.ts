/** An address to listen on or connect to. */
export interface HostPort {
  /** A host name, or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface HostPortOptions {
  /** Used if the text has no port. Without this option, the port is required. */
  readonly defaultPort?: number;
  /** For an address to listen on: the host may be empty (all addresses), the port 0 (any free port). */
  readonly listening?: boolean;
}

/**
 * Parses `host:port`, an IPv6 address in brackets. Ports are decimal numbers from 1 to 65535.
 *
 * @returns undefined for anything else.
 */
export function parseHostPort(text: string, options: HostPortOptions = {}): HostPort | undefined {
  const { defaultPort, listening = false } = options;
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/s.exec(text);
  if (match === null) return undefined;
  const [, ipv6, name = "", digits] = match;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (port === undefined || port > 65535 || (port === 0 && !listening)) return undefined;
  const valid = ipv6 === undefined ? isHostName(name) || (listening && name === "") : isIpv6(ipv6);
  return valid ? { host: ipv6 ?? name, port } : undefined;
}

/** The inverse of `parseHostPort`; without a host, `:port`. */
export function formatHostPort({
  host = "",
  port,
}: {
  readonly host?: string;
  readonly port: number;
}): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Whether a text is valid as a host name: no spaces, and no characters that delimit a host in a URL or a list. */
export function isHostName(text: string): boolean {
  return /^[^\s\p{Cc}\p{Cs}:/?#@[\]\\"',]+$/u.test(text);
}

/** Uses the URL parser, because `node:net` is an I/O module. */
function isIpv6(text: string): boolean {
  return /^[\da-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]`);
}
