import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry, Summary } from "prom-client";

const prefix = "app_metrics_proxy_";

type Labels = Readonly<Record<string, string>>;

/** Creates metrics in a registry of their own. Names get the prefix `app_metrics_proxy_`. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #registers = [this.#registry];

  counter(name: string, help: string, ...labelNames: string[]): Counter {
    return new Counter({ name: prefix + name, help, labelNames, registers: this.#registers });
  }

  gauge(name: string, help: string, ...labelNames: string[]): Gauge {
    return new Gauge({ name: prefix + name, help, labelNames, registers: this.#registers });
  }

  histogram(name: string, help: string, buckets: number[], ...labelNames: string[]): Histogram {
    return new Histogram({ name: prefix + name, help, buckets, labelNames, registers: this.#registers });
  }

  /** Adds a gauge whose value is read on every scrape of the proxy. */
  observe(name: string, help: string, read: () => number | boolean): void {
    this.observeSeries(name, help, [], () => [[{}, Number(read())]]);
  }

  /** Adds a gauge whose series are read on every scrape of the proxy. Omits those without a value. */
  observeSeries(
    name: string,
    help: string,
    labelNames: string[],
    read: () => Iterable<readonly [labels: Labels, value: number | undefined]>,
  ): void {
    const gauge = new Gauge({
      name: prefix + name,
      help,
      labelNames,
      registers: this.#registers,
      collect() {
        gauge.reset();
        for (const [labels, value] of read()) if (value !== undefined) gauge.set(labels, value);
      },
    });
  }

  /**
   * Adds gauges with the same series, which are read together on every scrape of the proxy.
   *
   * @param columns name and help text of each gauge.
   * @param read the labels of each series with its values, one per gauge.
   */
  observeTable(
    columns: readonly (readonly [name: string, help: string])[],
    labelNames: string[],
    read: () => Iterable<readonly [labels: Labels, values: readonly number[]]>,
  ): void {
    const collect = () => {
      for (const gauge of gauges) gauge.reset();
      for (const [labels, values] of read())
        for (const [index, gauge] of gauges.entries()) gauge.set(labels, values[index]!);
    };
    // The registry collects in the order in which metrics were added.
    const gauges = columns.map(
      ([name, help], index) =>
        new Gauge({
          ...{ name: prefix + name, help, labelNames, registers: this.#registers },
          ...(index === 0 ? { collect } : {}),
        }),
    );
  }

  /** Adds a gauge that counts items by state. States without items have a series, too. */
  observeStates<S extends string>(
    name: string,
    help: string,
    states: readonly S[],
    read: () => readonly { readonly state: S }[],
  ): void {
    this.observeSeries(name, help, ["state"], () => {
      const counts = new Map(states.map((state) => [state, 0]));
      for (const { state } of read()) counts.set(state, (counts.get(state) ?? 0) + 1);
      return [...counts].map(([state, count]) => [{ state }, count]);
    });
  }

  /** Adds a summary whose quantiles are read on every scrape of the proxy. */
  observeQuantiles(
    name: string,
    help: string,
    read: () => readonly (readonly [quantile: number, value: number])[],
  ): void {
    const summary = new Summary({ name: prefix + name, help, registers: this.#registers });
    const { get } = summary;
    summary.get = async () => ({
      ...(await get.call(summary)),
      values: read().map(([quantile, value]) => ({ labels: { quantile }, value })),
    });
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
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }
}

/** @param milliseconds since the epoch. */
export function toSeconds(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : milliseconds / 1000;
}
