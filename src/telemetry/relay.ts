import { Counter, Gauge, Histogram, type Registry } from "prom-client";

const prefix = "app_metrics_proxy_relay_";

/** The metrics of the relay. */
export function createRelayMetrics(registers: Registry[]) {
  return {
    relayInFlight: new Gauge({
      name: `${prefix}requests_in_flight`,
      help: "Requests at the relay that are under way.",
      registers,
    }),
    relayRequests: new Counter({
      name: `${prefix}requests_total`,
      help: "Requests at the relay by status code; aborted where the client left before the end.",
      labelNames: ["code"],
      registers,
    }),
    relayDuration: new Histogram({
      name: `${prefix}request_duration_seconds`,
      help: "Duration of the requests at the relay, to the last byte of the answer.",
      buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    relaySize: new Histogram({
      name: `${prefix}exposition_size_bytes`,
      help: "Inflated size of the expositions that were relayed.",
      buckets: [1e3, 1e4, 1e5, 1e6, 1e7, 1e8],
      registers,
    }),
  };
}
