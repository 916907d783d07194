import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

const prefix = "app_metrics_proxy_";

/** Creates metrics in a registry of their own. Names get the prefix `app_metrics_proxy_`. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #registers = [this.#registry];
  readonly #updates: (() => void)[] = [];

  counter(name: string, help: string, ...labelNames: string[]): Counter {
    return new Counter({ name: prefix + name, help, labelNames, registers: this.#registers });
  }

  gauge(name: string, help: string, ...labelNames: string[]): Gauge {
    return new Gauge({ name: prefix + name, help, labelNames, registers: this.#registers });
  }

  histogram(name: string, help: string, buckets: number[], ...labelNames: string[]): Histogram {
    return new Histogram({ name: prefix + name, help, buckets, labelNames, registers: this.#registers });
  }

  /** Adds a function that sets gauges before every scrape of the proxy. */
  beforeScrape(update: () => void): void {
    this.#updates.push(update);
  }

  /** Adds the metrics of the process. */
  addProcess(): void {
    collectDefaultMetrics({ register: this.#registry });
    // Gauges with names of counters, which promtool rejects.
    for (const kind of ["handles", "requests", "resources"])
      this.#registry.removeSingleMetric(`nodejs_active_${kind}_total`);
  }

  /** All metrics as text, with its Content-Type. */
  async expose(): Promise<{ readonly text: string; readonly contentType: string }> {
    for (const update of this.#updates) update();
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }
}
