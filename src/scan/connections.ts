import { Agent, type Dispatcher, Pool, ProxyAgent } from "undici";
import { maxHeaderBytes } from "../fetch/connection-reason.js";

/** Lasting connections to the hosts that are scraped. */
export interface Connections {
  /** Runs `use` with what gives it a connection to the host and port of `url` (absolute) that nobody else uses. */
  lend<T>(url: string, use: (dispatcher: Dispatcher) => Promise<T>): Promise<T>;
  /** Closes all of them. */
  close(): Promise<void>;
}

/** A proxy that stands between. */
export interface ProxyRoute {
  /** `http:` or `https:`; a user and a password in it go to the proxy. */
  readonly url: string;
  /** Headers of its CONNECT requests. */
  readonly connectHeaders: Readonly<Record<string, string[]>>;
  /** For the connection to the proxy itself, in the words of `tls.connect`. */
  readonly tls: object;
}

/** Settings of connections for scrapes that take at most `timeout` and come back within `keepAlive`, both in seconds. */
export function connectionOptions({
  timeout,
  keepAlive,
}: {
  timeout: number;
  keepAlive: number;
}): Agent.Options {
  return {
    maxHeaderSize: maxHeaderBytes,
    keepAliveTimeout: keepAlive * 1000,
    keepAliveMaxTimeout: keepAlive * 1000,
    connect: { timeout: timeout * 1000 },
    // The whole scrape has one deadline of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
}

/**
 * Nearly every target is alone on its host and port and asked once at a time. For those there is an agent of single
 * connections: one of pools takes 50 MB more for a thousand hosts. Whoever asks while another does, as targets
 * behind one prober do, is sent to the pools, and nobody waits for another's answer.
 */
export function createConnections(options: Agent.Options, proxy?: ProxyRoute): Connections {
  const make = (given: Agent.Options) => (proxy === undefined ? new Agent(given) : proxied(given, proxy));
  const singles = make({ ...options, connections: 1 });
  const pools = make(options);
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

/** An agent that goes through a proxy: `https:` by a tunnel, `http:` as a proxy is asked for a page. */
function proxied(options: Agent.Options, { url, connectHeaders, tls }: ProxyRoute): Dispatcher {
  const { connect, ...limits } = options;
  const requestTls = typeof connect === "object" ? (connect as { timeout?: number }) : {};
  const timeout = requestTls.timeout === undefined ? {} : { timeout: requestTls.timeout };
  return new ProxyAgent({
    ...limits,
    uri: url,
    headers: connectHeaders,
    requestTls,
    proxyTls: { ...tls, ...timeout },
    proxyTunnel: false,
    // What the library makes by itself for the way to the proxy knows nothing of our limits.
    factory: (origin, given) => new Pool(origin, { ...limits, ...given }),
    clientFactory: (origin, given) =>
      new Pool(origin, { ...given, headersTimeout: requestTls.timeout ?? 10_000 }),
  });
}
