import { Counter, Gauge, Histogram, type Registry } from "prom-client";

const prefix = "app_metrics_proxy_relay_";

/** The metrics of the relay. */
export function createRelayMetrics(registers: Registry[]) {
  return {
    relayInFlight: new Gauge({
      name: `${prefix}requests_in_flight`,
      help: "Current requests to the relay.",
      registers,
    }),
    relayRequests: new Counter({
      name: `${prefix}requests_total`,
      help: "Requests to the relay by status code; aborted if the client disconnected early.",
      labelNames: ["code"],
      registers,
    }),
    relayDuration: new Histogram({
      name: `${prefix}request_duration_seconds`,
      help: "Duration of requests to the relay, to the last byte of the response.",
      buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    relaySize: new Histogram({
      name: `${prefix}exposition_size_bytes`,
      help: "Uncompressed size of relayed expositions.",
      buckets: [1e3, 1e4, 1e5, 1e6, 1e7, 1e8],
      registers,
    }),
  };
}
