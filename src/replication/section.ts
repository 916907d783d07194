import { digestOf } from "../cache/entry-index.js";
import type { Holdings } from "../cache/holdings.js";
import type { Scrape } from "../model/scrape.js";
import type { Version } from "../model/version.js";
import type { Renewal, Section } from "./messages.js";
import { writeSequences } from "./sequence-list.js";

/** What a receiver has said that it has of an origin. */
export interface ReceiverState extends Version {
  readonly digest: number;
}

/** A section, and the entries that follow it in the order of their sequences. */
export interface SectionToSend {
  readonly section: Section;
  readonly entries: readonly Scrape[];
}

/**
 * What a receiver lacks of an origin.
 *
 * @param monotonic now, on this process's monotonic clock: ages travel.
 * @returns undefined where nothing is known of that origin.
 */
export function sectionFor(
  holdings: Holdings,
  origin: string,
  receiver: ReceiverState,
  monotonic: number,
): SectionToSend | undefined {
  const holding = holdings.get(origin);
  if (holding === undefined) return undefined;
  const { epoch, sequence, heardAt, advertise } = holding;
  const base = receiver.epoch === epoch ? Math.min(receiver.sequence, sequence) : 0;
  const entries = holdings.entriesOf(origin).filter((entry) => entry.epoch === epoch);
  const known = entries.filter((entry) => entry.sequence <= base);
  // Of what follows one that was lost, this node does not know whether it is all: see Holdings.lost.
  const fresh = entries.filter((entry) => entry.sequence > base && entry.sequence <= sequence);
  const agreed = known.reduce((digest, entry) => digest ^ digestOf(entry), 0) >>> 0 === receiver.digest;
  const renewals = renewalsOf(known, base, monotonic);
  return {
    section: {
      origin,
      epoch,
      sequence,
      base,
      heard: ageMs(heardAt, monotonic),
      ...(base === 0 || agreed ? {} : { kept: writeSequences(known.map((entry) => entry.sequence)) }),
      ...(renewals.length === 0 ? {} : { renewals }),
      ...(fresh.length === 0 ? {} : { entries: fresh.length }),
      ...(advertise === undefined ? {} : { advertise }),
    },
    entries: fresh,
  };
}

/** The new times of entries that the receiver has, as few groups of one time each. */
function renewalsOf(known: readonly Scrape[], base: number, monotonic: number): Renewal[] {
  const groups = new Map<number, Scrape[]>();
  for (const entry of known) {
    if (entry.renewed <= base) continue;
    const group = groups.get(entry.scrapedAt);
    if (group === undefined) groups.set(entry.scrapedAt, [entry]);
    else group.push(entry);
  }
  const sequences = (entries: readonly Scrape[]) => writeSequences(entries.map((entry) => entry.sequence));
  return [...groups].map(([at, group]) => {
    const oldest = group.reduce((least, entry) => Math.min(least, entry.measuredAt), Number.MAX_VALUE);
    const renewal = { at, age: ageMs(oldest, monotonic) };
    // Only one group can be more than half of all.
    if (2 * group.length <= known.length) return { ...renewal, only: sequences(group) };
    const members = new Set(group);
    return { ...renewal, except: sequences(known.filter((entry) => !members.has(entry))) };
  });
}

function ageMs(moment: number, monotonic: number): number {
  return Math.max(0, Math.round(monotonic - moment));
}
