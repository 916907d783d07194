import type { Holdings } from "../cache/holdings.js";
import type { Scrape } from "../model/scrape.js";
import { compareVersions } from "../model/version.js";
import type { Renewal, Section } from "./messages.js";
import { PeerError } from "./peer-error.js";
import { readSequences } from "./sequence-list.js";

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
  /** New times by the sequence of the entry that they are for. */
  readonly #renewals = new Map<number, Renewal>();
  /** New times for all up to the base but those that are named. */
  readonly #rest: (Renewal & { readonly named: ReadonlySet<number> }) | undefined;
  readonly #received = new Set<number>();
  readonly #monotonic: number;
  #last: number;
  /** How far this has brought the origin: where it is known less far again, an entry was lost meanwhile. */
  #reached: number;
  /** The first entry that was stale when it came: what follows it does not count as known. */
  #stale: Scrape | undefined;
  #reviewed = false;

  /**
   * @param monotonic now: ages are counted back from here.
   * @param most how many entries an origin may have.
   * @throws PeerError `limit`; `protocol` where its renewals contradict one another.
   */
  constructor(section: Section, holdings: Holdings, monotonic: number, most: number) {
    this.#section = section;
    this.#holdings = holdings;
    this.#monotonic = monotonic;
    this.#heardAt = monotonic - section.heard;
    this.#last = section.base;
    this.#reached = section.base;
    const read = (list: Parameters<typeof readSequences>[0], left = most) => {
      const sequences = readSequences(list, left);
      if (sequences === undefined) throw tooMany(section.origin, most);
      return sequences;
    };
    if ((section.entries ?? 0) > most) {
      throw tooMany(section.origin, most);
    }
    this.#kept = section.kept === undefined ? undefined : read(section.kept);
    // No entry has two new times: all lists together name no more than there may be.
    let left = most;
    for (const renewal of section.renewals ?? []) {
      const named = read(renewal.only ?? renewal.except ?? [], left);
      left -= named.size;
      if (renewal.only !== undefined) {
        for (const sequence of named) this.#renewals.set(sequence, renewal);
      } else if (this.#rest === undefined) {
        this.#rest = { ...renewal, named };
      } else {
        throw new PeerError("protocol", `it sends two new times for the same entries of ${section.origin}`);
      }
    }
  }

  /** Entries that are still to come. */
  get missing(): number {
    return (this.#section.entries ?? 0) - this.#received.size;
  }

  /**
   * Whether it still fits what this node has: another peer may have brought the same, or more, in the meantime, or
   * an entry may have become stale. Where it does not fit it says nothing, and its entries are passed over.
   */
  get fits(): boolean {
    const { origin, epoch, sequence, base } = this.#section;
    const known = this.#holdings.versionOf(origin);
    if (origin === this.#holdings.own || this.#holdings.isSilent(this.#heardAt)) return false;
    if (compareVersions(known, { epoch, sequence }) > 0) return false;
    return known.epoch === epoch ? known.sequence >= this.#reached : base === 0;
  }

  /**
   * Takes the next entry, which has been checked.
   *
   * @param checkRoom throws where there is no room for it, once what is gone has made room.
   * @throws PeerError `protocol` where the order is wrong.
   */
  take(entry: Scrape, checkRoom: (entry: Scrape) => void = () => undefined): void {
    const { origin, epoch, sequence } = this.#section;
    if (this.missing <= 0 || entry.sequence <= this.#last || entry.sequence > sequence) {
      throw new PeerError("protocol", `it sends entries of ${origin} out of their order`);
    }
    this.#last = entry.sequence;
    this.#received.add(entry.sequence);
    if (!this.fits) return;
    if (!this.#reviewed) this.#review("known");
    checkRoom(entry);
    if (this.#holdings.take({ ...entry, renewed: sequence }) === "stale") this.#stale ??= entry;
    if (this.#stale !== undefined) return;
    this.#reached = entry.sequence;
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
  }

  /** All is there: drops what is gone, and knows the origin as far as the sender. */
  finish(): void {
    if (!this.fits) return;
    this.#review("all");
    const { origin, epoch, sequence, advertise } = this.#section;
    this.#holdings.reach(origin, { epoch, sequence }, this.#heardAt, advertise);
    if (this.#stale !== undefined) this.#holdings.lost(this.#stale);
  }

  /**
   * Does what the section says of the entries that are here. To those up to its base before any entry brings this
   * node beyond it: the next sender, should this one break off, takes them as known.
   */
  #review(which: "known" | "all"): void {
    this.#reviewed = true;
    const { origin, epoch, base } = this.#section;
    for (const entry of this.#holdings.entriesOf(origin)) {
      const known = entry.epoch === epoch && entry.sequence <= base;
      if (!known && which === "known") continue;
      if (this.#isGone(entry)) this.#holdings.drop(entry);
      else if (known) this.#renew(entry);
    }
  }

  #isGone(entry: Scrape): boolean {
    const { epoch, sequence, base } = this.#section;
    if (entry.epoch !== epoch) return entry.epoch < epoch;
    if (entry.sequence <= base) return this.#kept !== undefined && !this.#kept.has(entry.sequence);
    return entry.sequence <= sequence && !this.#received.has(entry.sequence);
  }

  #renew(entry: Scrape): void {
    const rest = this.#rest?.named.has(entry.sequence) ? undefined : this.#rest;
    const renewal = this.#renewals.get(entry.sequence) ?? rest;
    if (renewal === undefined) return;
    this.#holdings.renew(entry, {
      scrapedAt: renewal.at,
      measuredAt: this.#monotonic - renewal.age,
      renewed: this.#section.sequence,
    });
  }
}

function tooMany(origin: string, most: number): PeerError {
  return new PeerError("limit", `it has more than ${most} entries of ${origin}`);
}
