import type { Agent } from "undici";
import type { ProxySettings } from "../../config/scrape-auth.js";
import { type Connections, createConnections } from "../connections.js";
import type { TlsMaterial } from "./entry-secrets.js";
import { noProxyRule } from "./no-proxy.js";

/** TLS and proxy settings of an entry. */
export interface RouteSettings {
  readonly tls: TlsMaterial | undefined;
  readonly proxy: ProxySettings | undefined;
}

/**
 * Creates connections with a `tls_config` and through a proxy, except to the hosts in `no_proxy`. They are opened on
 * demand.
 */
export function createRoutes(options: Agent.Options, { tls, proxy }: RouteSettings): Connections {
  const common = typeof options.connect === "object" ? options.connect : {};
  const withTls: Agent.Options = { ...options, connect: { ...common, ...tls } };
  const isDirect = proxy === undefined ? () => true : noProxyRule(proxy.noProxy);
  const open = new Map<string, Connections>();

  const connectionsFor = (url: URL) => {
    const route = proxy === undefined || isDirect(url) ? "direct" : url.protocol;
    const existing = open.get(route);
    if (existing !== undefined) return existing;
    const created =
      proxy === undefined || route === "direct"
        ? createConnections(withTls)
        : createConnections(withTls, {
            url: proxy.url,
            // Without a tunnel, the proxy would forward these headers to the target.
            connectHeaders: route === "https:" ? copyOf(proxy.connectHeaders) : {},
            tls: tlsToProxy(tls),
          });
    open.set(route, created);
    return created;
  };

  return {
    lend: (url, use) => connectionsFor(new URL(url)).lend(url, use),
    async close() {
      await Promise.all([...open.values()].map((connections) => connections.close()));
    },
  };
}

/** TLS settings for the proxy: those for targets, but without their server name and client certificate. */
function tlsToProxy(tls: TlsMaterial | undefined): object {
  if (tls === undefined) return {};
  const { cert: _cert, key: _key, servername: _servername, ...rest } = tls;
  return rest;
}

function copyOf(headers: Readonly<Record<string, readonly string[]>>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, [...values]]));
}
