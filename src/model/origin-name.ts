import { formatHostPort } from "./host-port.js";

const defaultPort = 2137;

/**
 * The name of an origin: the node's name. The HTTP listen address is appended if it is not the default, because several
 * proxies may run on one node.
 */
export function originName(node: string, listen: { readonly host?: string; readonly port: number }): string {
  if (listen.host === undefined && listen.port === defaultPort) return node;
  return `${node}@${formatHostPort(listen)}`;
}
