import type { ByteSink } from "./byte-sink.js";
import { fromByteString, readSeries, writeSeries } from "./series.js";
import type { Source } from "./source.js";
import type { Steps } from "./steps.js";

/**
 * Finds duplicate series in a merged exposition: same name and same labels, in any order. The series themselves are
 * compared only if their hashes are equal.
 */
export class DuplicateFinder {
  private table = new SeriesTable(0);
  /** Different series with the same hash as an earlier one. */
  private readonly collisions = new Set<string>();
  private readonly comparesSources: boolean;

  constructor(
    sources: readonly Source[],
    private readonly sink: ByteSink,
  ) {
    this.comparesSources = mayShareSeries(sources);
  }

  /** Starts the next source. */
  begin(): void {
    // Replicas have about the same number of series.
    if (!this.comparesSources) this.table = new SeriesTable(this.table.size);
  }

  /** Whether the series between `start` and `end` in the sink is a duplicate. If not, it is remembered. */
  isDuplicate(start: number, end: number, hash: number): boolean {
    const other = this.table.add(hash, start);
    if (other < 0) return false;
    const { bytes } = this.sink;
    // Nearly always they are spelled alike, so there is no need to parse them. A space follows the series.
    if (bytes.compare(bytes, start, end + 1, other, other + end + 1 - start) === 0) return true;
    const series = this.canonical(start);
    if (series === this.canonical(other) || this.collisions.has(series)) return true;
    this.collisions.add(series);
    return false;
  }

  /** Makes space for more series. To be called after each step of a SampleCopier. */
  grow(): Steps<void> {
    return this.table.grow();
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

/**
 * Whether two sources may have the same series after the labels are added. Not if all have the same labels, but with
 * different values: then each source is compared with itself only, which saves memory.
 */
function mayShareSeries(sources: readonly Source[]): boolean {
  const added = sources.map(({ labels }) => labels.filter(([, value]) => value !== ""));
  const names = new Set(added.map((labels) => JSON.stringify(labels.map(([name]) => name))));
  const different = new Set(added.map((labels) => JSON.stringify(labels)));
  return names.size > 1 || different.size < sources.length;
}

/** With half of them in use, there is space for the samples of one more step, a thousand at most. */
const minSlots = 4096;
/** Slots that are copied per step. */
const slotsPerStep = 16_384;

/** A hash table with open addressing: from the hash of a series to its position. It stores two numbers per series. */
class SeriesTable {
  size = 0;
  private hashes: Int32Array;
  /** The position in each slot plus 1; 0 if the slot is free. */
  private values: Uint32Array;
  /** Prevents an attacker from choosing series that all fall into one slot. */
  private readonly salt = Math.floor(Math.random() * 2 ** 32);

  /** @param expected number of series. */
  constructor(expected: number) {
    const slots = Math.max(minSlots, 2 ** Math.ceil(Math.log2(2 * expected + 2)));
    this.hashes = new Int32Array(slots);
    this.values = new Uint32Array(slots);
  }

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
    return -1;
  }

  private slotOf(hash: number, mask: number): number {
    const mixed = Math.imul(hash ^ this.salt, 0x2c1b3c6d);
    return (mixed ^ (mixed >>> 15)) & mask;
  }

  /** Doubles the table in steps if more than half of it is in use. */
  *grow(): Steps<void> {
    const { hashes, values } = this;
    if (2 * this.size < hashes.length) return;
    this.hashes = new Int32Array(2 * hashes.length);
    this.values = new Uint32Array(2 * values.length);
    this.size = 0;
    for (let slot = 0; slot < hashes.length; slot++) {
      if (values[slot] !== 0) this.add(hashes[slot]!, values[slot]! - 1);
      if (slot % slotsPerStep === 0) yield;
    }
  }
}
