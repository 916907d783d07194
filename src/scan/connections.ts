import { Agent, type buildConnector, type Dispatcher, Pool, ProxyAgent } from "undici";
import { maxHeaderBytes } from "../fetch/scrape-error.js";

/** Keep-alive connections to the hosts of targets. */
export interface Connections {
  /** Runs `use` with a dispatcher that has a free connection to the host and port of `url`, which is absolute. */
  lend<T>(url: string, use: (dispatcher: Dispatcher) => Promise<T>): Promise<T>;
  /** Closes all connections. */
  close(): Promise<void>;
}

/** An HTTP proxy between this program and its targets. */
export interface ProxyRoute {
  /** `http:` or `https:`, with the user and password for the proxy, if any. */
  readonly url: string;
  /** Headers of CONNECT requests. */
  readonly connectHeaders: Readonly<Record<string, string[]>>;
  /** Options of `tls.connect` for the connection to the proxy itself. */
  readonly tls: object;
}

/** Limits of scrapes, in seconds: `timeout` of one, and how long an idle connection stays open for the next one. */
export interface ScrapeTimes {
  readonly timeout: number;
  readonly keepAlive: number;
}

/** Limits and timeouts of connections, and their options for `tls.connect`. */
export interface ConnectionOptions extends Omit<Agent.Options, "connect"> {
  readonly connect?: buildConnector.BuildOptions;
}

/** Options of connections for scrapes. */
export function connectionOptions({ timeout, keepAlive }: ScrapeTimes): ConnectionOptions {
  return {
    maxHeaderSize: maxHeaderBytes,
    keepAliveTimeout: keepAlive * 1000,
    keepAliveMaxTimeout: keepAlive * 1000,
    connect: { timeout: timeout * 1000 },
    // The scraper limits the whole scrape.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
}

/**
 * Creates the connections. Nearly every target has a host and port of its own and is scraped by one request at a
 * time: for those, an agent with single connections saves 50 MB per thousand hosts. Concurrent requests to one host and
 * port, as for targets behind one blackbox exporter, use an agent with pools, so that none waits for another.
 */
export function createConnections(options: ConnectionOptions, proxy?: ProxyRoute): Connections {
  const create = (agent: ConnectionOptions) =>
    proxy === undefined ? new Agent(agent) : proxied(agent, proxy);
  const singles = create({ ...options, connections: 1 });
  const pools = create(options);
  const lent = new Set<string>();
  return {
    async lend(url, use) {
      const { origin } = new URL(url);
      if (lent.has(origin)) return await use(pools);
      lent.add(origin);
      try {
        return await use(singles);
      } finally {
        lent.delete(origin);
      }
    },
    async close() {
      await Promise.all([singles.destroy(), pools.destroy()]);
    },
  };
}

/** An agent that uses a proxy: a tunnel for `https:`, requests in absolute form for `http:`. */
function proxied(options: ConnectionOptions, { url, connectHeaders, tls }: ProxyRoute): Dispatcher {
  const { connect = {}, ...limits } = options;
  const { timeout = 10_000 } = connect;
  return new ProxyAgent({
    ...limits,
    uri: url,
    headers: connectHeaders,
    requestTls: connect,
    proxyTls: { ...tls, timeout },
    proxyTunnel: false,
    // The default pools of undici do not apply our limits.
    factory: (origin, defaults) => new Pool(origin, { ...limits, ...defaults }),
    clientFactory: (origin, defaults) => new Pool(origin, { ...defaults, headersTimeout: timeout }),
  });
}
