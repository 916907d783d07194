import type { ByteSink } from "./byte-sink.js";
import { fromByteString } from "./quoted.js";
import { readSeries, writeSeries } from "./series.js";
import { SeriesSet } from "./series-set.js";
import type { Source } from "./source.js";

/**
 * Finds series that are in an answer twice: the same name and the same labels, in any order. Only where hashes are
 * equal are the series looked at. Sources that a label tells apart are not compared with each other.
 */
export class DuplicateFinder {
  /** Which sources are compared with each other: those with the same key. */
  private readonly keys: readonly string[];
  private readonly shared = new Map<string, SeriesSet>();
  private readonly single = new SeriesSet();
  private current = this.single;
  /** Series that share their hash with one before them that is another. */
  private readonly lookalikes = new Set<string>();

  constructor(
    sources: readonly Source[],
    private readonly sink: ByteSink,
  ) {
    const [first, ...others] = sources.map(
      ({ labels }) => new Map(labels.filter(([, value]) => value !== "")),
    );
    const common = [...(first?.keys() ?? [])].filter((name) => others.every((labels) => labels.has(name)));
    this.keys = [first ?? new Map<string, string>(), ...others].map((labels) =>
      JSON.stringify(common.map((name) => labels.get(name))),
    );
  }

  /** To be called before the samples of a source. */
  begin(index: number): void {
    const key = this.keys[index]!;
    this.single.clear();
    this.current = this.single;
    if (this.keys.indexOf(key) === this.keys.lastIndexOf(key)) return;
    this.current = this.shared.get(key) ?? new SeriesSet();
    this.shared.set(key, this.current);
  }

  /** Whether the series that was written to the sink at `start` is there before; else it is from now on. */
  isDuplicate(start: number, hash: number): boolean {
    const other = this.current.add(hash, start);
    if (other < 0) return false;
    const series = this.canonical(start);
    if (series === this.canonical(other) || this.lookalikes.has(series)) return true;
    this.lookalikes.add(series);
    return false;
  }

  /** A series that was written to the sink, as text. */
  seriesAt(start: number): string {
    return fromByteString(writeSeries(readSeries(this.sink.bytes, start)));
  }

  private canonical(start: number): string {
    const { name, labels } = readSeries(this.sink.bytes, start);
    return JSON.stringify([name, ...labels.map((label) => JSON.stringify(label)).sort()]);
  }
}
