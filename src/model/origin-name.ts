import { formatHostPort } from "./host-port.js";

const defaultPort = 2137;

/**
 * The name under which a node's entries are known to the others: that of the node. An instance that listens for HTTP
 * elsewhere than usual adds where, since several of them may run on one machine.
 */
export function originName(node: string, listen: { readonly host?: string; readonly port: number }): string {
  if (listen.host === undefined && listen.port === defaultPort) return node;
  return `${node}@${formatHostPort(listen)}`;
}
