import type { Holdings } from "../cache/holdings.js";
import type { Entry } from "../model/entry.js";
import { compareVersions } from "../model/version.js";
import type { Renewal, Section } from "./messages.js";
import { PeerError } from "./peer-error.js";
import { lengthOf, readSequences } from "./sequence-list.js";

/**
 * Takes in one section: its entries as they come, and at the end what is gone. What breaks off in the middle has
 * brought this node forward all the same: it knows the origin up to the last entry that came, and the digest tells
 * the next sender that a removal is still to be told.
 */
export class Intake {
  readonly #section: Section;
  readonly #holdings: Holdings;
  readonly #heardAt: number;
  readonly #kept: ReadonlySet<number> | undefined;
  /** What renews an entry, by its sequence; and what renews all others, but those that it names. */
  readonly #renewals = new Map<number, Renewal>();
  readonly #others: { readonly renewal: Renewal; readonly but: ReadonlySet<number> } | undefined;
  readonly #received = new Set<number>();
  readonly #monotonic: number;
  #last: number;

  /**
   * @param monotonic now: ages are counted back from here.
   * @param most how many entries an origin may have.
   * @throws PeerError `limit`.
   */
  constructor(section: Section, holdings: Holdings, monotonic: number, most: number) {
    this.#section = section;
    this.#holdings = holdings;
    this.#monotonic = monotonic;
    this.#heardAt = monotonic - section.heard;
    this.#last = section.base;
    const read = (list: Parameters<typeof readSequences>[0]) => {
      const sequences = readSequences(list, most);
      if (sequences === undefined) throw tooMany(section.origin, most);
      return sequences;
    };
    // What is kept, and what is renewed: as others than those that are named, at most half as many are.
    if ((section.entries ?? 0) > most || sequencesIn(section) > 3 * most) {
      throw tooMany(section.origin, most);
    }
    this.#kept = section.kept === undefined ? undefined : read(section.kept);
    for (const renewal of section.renewals ?? []) {
      if (renewal.only === undefined) {
        if (this.#others !== undefined) {
          throw new PeerError("protocol", `it renews entries of ${section.origin} in two ways`);
        }
        this.#others = { renewal, but: read(renewal.except ?? []) };
        continue;
      }
      for (const sequence of read(renewal.only)) this.#renewals.set(sequence, renewal);
    }
  }

  /** Entries that are still to come. */
  get missing(): number {
    return (this.#section.entries ?? 0) - this.#received.size;
  }

  /**
   * Whether it still fits what this node has: another peer may have brought the same, or more, in the meantime.
   * Where it does not fit it says nothing, and its entries are passed over.
   */
  get fits(): boolean {
    const { origin, epoch, sequence, base } = this.#section;
    const known = this.#holdings.versionOf(origin);
    if (origin === this.#holdings.own || this.#holdings.isSilent(this.#heardAt)) return false;
    if (compareVersions(known, { epoch, sequence }) > 0) return false;
    return known.epoch === epoch ? known.sequence >= base : base === 0;
  }

  /**
   * Takes the next entry, which has been checked.
   *
   * @returns whether it was new.
   * @throws PeerError `protocol` where the order is wrong.
   */
  take(entry: Entry): boolean {
    const { origin, epoch, sequence } = this.#section;
    if (this.missing <= 0 || entry.sequence <= this.#last || entry.sequence > sequence) {
      throw new PeerError("protocol", `it sends entries of ${origin} out of their order`);
    }
    this.#last = entry.sequence;
    this.#received.add(entry.sequence);
    if (!this.fits) return false;
    const taken = this.#holdings.take({ ...entry, renewed: sequence });
    if (
      entry.sequence > this.#holdings.versionOf(origin).sequence ||
      epoch > this.#holdings.versionOf(origin).epoch
    ) {
      this.#holdings.reach(
        origin,
        { epoch, sequence: entry.sequence },
        this.#heardAt,
        this.#section.advertise,
      );
    }
    return taken;
  }

  /** All is there: renews times, drops what is gone, and knows the origin as far as the sender. */
  finish(): void {
    if (!this.fits) return;
    const { origin, epoch, sequence, base, advertise } = this.#section;
    for (const entry of this.#holdings.entriesOf(origin)) {
      if (this.#isGone(entry)) this.#holdings.drop(entry);
      else if (entry.epoch === epoch && entry.sequence <= base) this.#renew(entry);
    }
    this.#holdings.reach(origin, { epoch, sequence }, this.#heardAt, advertise);
  }

  #isGone(entry: Entry): boolean {
    const { epoch, sequence, base } = this.#section;
    if (entry.epoch !== epoch) return entry.epoch < epoch;
    if (entry.sequence <= base) return this.#kept !== undefined && !this.#kept.has(entry.sequence);
    return entry.sequence <= sequence && !this.#received.has(entry.sequence);
  }

  #renew(entry: Entry): void {
    const others = this.#others?.but.has(entry.sequence) === false ? this.#others.renewal : undefined;
    const renewal = this.#renewals.get(entry.sequence) ?? others;
    if (renewal === undefined) return;
    this.#holdings.renew(entry, {
      scrapedAt: renewal.at,
      measuredAt: this.#monotonic - renewal.age,
      renewed: this.#section.sequence,
    });
  }
}

/** How many entries a section speaks of without sending them. */
export function sequencesIn({ kept = [], renewals = [] }: Section): number {
  const renewed = renewals.reduce((sum, { only, except }) => sum + lengthOf(only ?? except ?? []), 0);
  return lengthOf(kept) + renewed;
}

function tooMany(origin: string, most: number): PeerError {
  return new PeerError("limit", `it has more than ${most} entries of ${origin}`);
}
