import type { ByteSink } from "./byte-sink.js";
import { fromByteString } from "./quoted.js";
import { readSeries, writeSeries } from "./series.js";
import type { Source } from "./source.js";

/**
 * Finds duplicate series in a merged exposition: same name and same labels, in any order. The series themselves are
 * compared only if their hashes are equal. Sources that differ in an added label cannot share a series and are not
 * compared.
 */
export class DuplicateFinder {
  /** One key per source. Sources with the same key are compared with each other. */
  private readonly keys: readonly string[];
  private readonly shared = new Map<string, SeriesTable>();
  private readonly single = new SeriesTable();
  private current = this.single;
  /** Different series with the same hash as an earlier one. */
  private readonly collisions = new Set<string>();

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

  /** Starts the source with this index. */
  begin(index: number): void {
    const key = this.keys[index]!;
    this.single.clear();
    this.current = this.single;
    if (this.keys.indexOf(key) === this.keys.lastIndexOf(key)) return;
    this.current = this.shared.get(key) ?? new SeriesTable();
    this.shared.set(key, this.current);
  }

  /** Whether the series at `start` in the sink is a duplicate. If not, it is remembered. */
  isDuplicate(start: number, hash: number): boolean {
    const other = this.current.add(hash, start);
    if (other < 0) return false;
    const series = this.canonical(start);
    if (series === this.canonical(other) || this.collisions.has(series)) return true;
    this.collisions.add(series);
    return false;
  }

  /** The series at `start` in the sink, as text. */
  seriesAt(start: number): string {
    return fromByteString(writeSeries(readSeries(this.sink.bytes, start)));
  }

  private canonical(start: number): string {
    const { name, labels } = readSeries(this.sink.bytes, start);
    return JSON.stringify([name, ...labels.map((label) => JSON.stringify(label)).sort()]);
  }
}

const initialSlots = 1024;

/** A hash table with open addressing: from the hash of a series to its position. It stores two numbers per series. */
class SeriesTable {
  private hashes = new Int32Array(initialSlots);
  /** The position in each slot plus 1; 0 if the slot is free. */
  private values = new Uint32Array(initialSlots);
  private size = 0;
  /** Prevents an attacker from choosing series that all fall into one slot. */
  private readonly salt = Math.floor(Math.random() * 2 ** 32);

  /**
   * Adds a series unless its hash is known.
   *
   * @param value its position, from 0 to 2^32 - 2.
   * @returns the position of the first series with the same hash, or -1.
   */
  add(hash: number, value: number): number {
    const mask = this.hashes.length - 1;
    let slot = this.slotOf(hash, mask);
    for (; this.values[slot] !== 0; slot = (slot + 1) & mask) {
      if (this.hashes[slot] === hash) return this.values[slot]! - 1;
    }
    this.hashes[slot] = hash;
    this.values[slot] = value + 1;
    this.size++;
    if (2 * this.size > mask) this.grow();
    return -1;
  }

  /** Removes all series. */
  clear(): void {
    // Shrink a large, mostly empty table: one source with many series must not slow down all later ones.
    if (this.values.length > 8 * initialSlots && 16 * this.size < this.values.length) {
      this.hashes = new Int32Array(initialSlots);
      this.values = new Uint32Array(initialSlots);
    } else {
      this.values.fill(0);
    }
    this.size = 0;
  }

  private slotOf(hash: number, mask: number): number {
    const mixed = Math.imul(hash ^ this.salt, 0x2c1b3c6d);
    return (mixed ^ (mixed >>> 15)) & mask;
  }

  private grow(): void {
    const { hashes, values } = this;
    this.hashes = new Int32Array(2 * hashes.length);
    this.values = new Uint32Array(2 * values.length);
    this.size = 0;
    for (let slot = 0; slot < hashes.length; slot++) {
      if (values[slot] !== 0) this.add(hashes[slot]!, values[slot]! - 1);
    }
  }
}
