import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Metrics } from "./metrics.js";

/** Milliseconds between two measurements. */
const resolution = 20;
const quantiles = [0.5, 0.9, 0.99, 1];

/**
 * Adds a metric of the event loop delay: how much later than planned a timer fires. Covers the time since the last but one
 * scrape of the metric.
 *
 * @param signal ends the measurement.
 */
export function observeEventLoopDelay(metrics: Metrics, signal: AbortSignal): void {
  // A histogram misses a delay that begins within one interval after `reset`: two are reset in turns.
  const histograms = [monitorEventLoopDelay({ resolution }), monitorEventLoopDelay({ resolution })];
  for (const histogram of histograms) {
    histogram.enable();
    signal.addEventListener("abort", () => histogram.disable(), { once: true });
  }
  metrics.observeQuantiles(
    "event_loop_delay_seconds",
    "How long the event loop was blocked, since the last but one scrape of this metric; 1 is the maximum.",
    () => {
      const histogram = histograms.reverse()[0]!;
      const values = quantiles.map((quantile): [number, number] => [
        quantile,
        Math.max(0, histogram.percentile(100 * quantile) / 1e9 - resolution / 1000),
      ]);
      histogram.reset();
      return values;
    },
  );
}
