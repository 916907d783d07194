import { merge, type Steps } from "./merge.js";

/**
 * Converts valid OpenMetrics to the text format 0.0.4, like Prometheus' Python client. Every sample keeps its name. A
 * counter `x` becomes the counter `x_total`; `x_created`, `x_gsum`, `x_gcount`, info and stateset become gauges; a
 * gaugehistogram becomes a histogram. Timestamps become milliseconds. Exemplars and units are dropped. Of duplicate
 * series, the first is kept.
 */
export function* toText(bytes: Buffer): Steps<Buffer> {
  return (yield* merge([{ bytes, format: "openmetrics", labels: [] }], "text")).bytes;
}
