import type { Agent } from "undici";
import type { ProxySettings } from "../../config/scrape-auth.js";
import { type Connections, createConnections } from "../connections.js";
import { noProxyRule } from "./no-proxy.js";
import type { TlsMaterial } from "./tls-material.js";

/** How an entry's requests travel. */
export interface RouteSettings {
  readonly tls: TlsMaterial | undefined;
  readonly proxy: ProxySettings | undefined;
}

/**
 * Connections with a `tls_config` and through a proxy, except to the hosts of its `no_proxy`. Opened when they are
 * first needed.
 */
export function createRoutes(options: Agent.Options, { tls, proxy }: RouteSettings): Connections {
  const common = typeof options.connect === "object" ? options.connect : {};
  const withTls: Agent.Options = { ...options, connect: { ...common, ...tls } };
  const isDirect = proxy === undefined ? () => true : noProxyRule(proxy.noProxy);
  const open = new Map<string, Connections>();

  const connectionsFor = (url: URL) => {
    const route = proxy === undefined || isDirect(url) ? "direct" : url.protocol;
    const there = open.get(route);
    if (there !== undefined) return there;
    const made =
      proxy === undefined || route === "direct"
        ? createConnections(withTls)
        : createConnections(withTls, {
            url: proxy.url,
            // Where no tunnel is opened they would go on to the target.
            connectHeaders: route === "https:" ? copyOf(proxy.connectHeaders) : {},
            tls: tlsToProxy(tls),
          });
    open.set(route, made);
    return made;
  };

  return {
    lend: (url, use) => connectionsFor(new URL(url)).lend(url, use),
    async close() {
      await Promise.all([...open.values()].map((connections) => connections.close()));
    },
  };
}

/** A proxy that is asked over TLS is checked as the targets are, but has a name of its own and gets no certificate. */
function tlsToProxy(tls: TlsMaterial | undefined): object {
  if (tls === undefined) return {};
  const { cert: _cert, key: _key, servername: _servername, ...rest } = tls;
  return rest;
}

function copyOf(headers: Readonly<Record<string, readonly string[]>>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, [...values]]));
}
