import { merge } from "./merge.js";
import type { Steps } from "./steps.js";

/**
 * Makes a text 0.0.4 of a valid OpenMetrics text, by the rules of Prometheus' Python client. Every sample stays,
 * under its name; a counter `x` becomes the counter `x_total`; `x_created`, `x_gsum` and `x_gcount` become gauges,
 * as do info and stateset, and a gaugehistogram a histogram. Timestamps become milliseconds. Lost are exemplars and
 * units. Of a series that is there twice the first stays.
 */
export function* toText(bytes: Buffer): Steps<Buffer> {
  return (yield* merge([{ bytes, format: "openmetrics", labels: [] }], "text")).bytes;
}
