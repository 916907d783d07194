import type { ProxySettings } from "../../config/scrape-auth.js";
import { type ConnectionOptions, type Connections, createConnections } from "../connections.js";
import type { TlsMaterial } from "./entry-secrets.js";
import { noProxyRule } from "./no-proxy.js";

/**
 * Creates connections with a `tls_config` and through a proxy, except to the hosts in `no_proxy`. They are opened on
 * demand.
 */
export function createRoutes(
  options: ConnectionOptions,
  tls: TlsMaterial | undefined,
  { proxy_url: proxyUrl, no_proxy = [], proxy_connect_header = {} }: ProxySettings,
): Connections {
  const withTls = { ...options, connect: { ...options.connect, ...tls } };
  const isDirect = noProxyRule(no_proxy);
  const open = new Map<string, Connections>();

  const connectionsFor = (url: URL) => {
    const route = proxyUrl === undefined || isDirect(url) ? "direct" : url.protocol;
    const existing = open.get(route);
    if (existing !== undefined) return existing;
    const created =
      proxyUrl === undefined || route === "direct"
        ? createConnections(withTls)
        : createConnections(withTls, {
            url: proxyUrl,
            // Without a tunnel, the proxy would forward these headers to the target.
            connectHeaders: route === "https:" ? proxy_connect_header : {},
            // The server name and the client certificate are for targets only.
            tls: { ...tls, servername: undefined, cert: undefined, key: undefined },
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
