import { Agent, type Dispatcher } from "undici";

/** Lasting connections to the hosts that are scraped. */
export interface Connections {
  /** Runs `use` with what gives it a connection to the host and port of `url` (absolute) that nobody else uses. */
  lend<T>(url: string, use: (dispatcher: Dispatcher) => Promise<T>): Promise<T>;
  /** Closes all of them. */
  close(): Promise<void>;
}

/**
 * Nearly every target is alone on its host and port and asked once at a time. For those there is an agent of single
 * connections: one of pools takes 50 MB more for a thousand hosts. Whoever asks while another does, as targets
 * behind one prober do, is sent to the pools, and nobody waits for another's answer.
 */
export function createConnections(options: Agent.Options): Connections {
  const singles = new Agent({ ...options, connections: 1 });
  const pools = new Agent(options);
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
