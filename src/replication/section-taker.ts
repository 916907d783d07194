import { setImmediate as yieldToOthers } from "node:timers/promises";
import type { Scrape } from "../model/scrape.js";
import { noVersion } from "../model/version.js";
import { decodeBatch } from "./batch.js";
import { checkGzip } from "./check-gzip.js";
import { checkOrigins } from "./check-origins.js";
import { entryFrom } from "./entry-metadata.js";
import { Intake } from "./intake.js";
import type { MessageChannel } from "./message-channel.js";
import type { HoldingTuple, Section } from "./messages.js";
import { PeerError } from "./peer-error.js";
import { countSequences } from "./sequence-list.js";
import type { SyncContext } from "./sync-context.js";

/** Milliseconds of checking entries after which other work gets its turn. */
const checkingMs = 10;

/** Takes from the other end of a `sync` channel what this node lacks. */
export class SectionTaker {
  readonly #messages: MessageChannel;
  readonly #context: SyncContext;
  /** Origins that were claimed here and have not come. */
  #wanted = new Set<string>();

  constructor(messages: MessageChannel, context: SyncContext) {
    this.#messages = messages;
    this.#context = context;
  }

  /**
   * Claims origins, in place of those that were claimed here before.
   *
   * @param peer the other end's own origin.
   * @returns what this node has of those that no other peer is sending already, to say what is lacking.
   */
  claim(origins: readonly string[], peer: string): HoldingTuple[] {
    const { cache, claims, origin: own } = this.#context;
    this.release();
    const claimed = origins.filter(
      (origin) => origin !== own() && claims.claim(origin, this, origin === peer),
    );
    this.#wanted = new Set(claimed);
    return claimed.map((origin) => {
      const { epoch, sequence, digest } = cache.holdings.get(origin) ?? { ...noVersion, digest: 0 };
      return [origin, epoch, sequence, digest];
    });
  }

  /** Gives up what was claimed and has not come: others may send it. */
  release(): void {
    this.#context.claims.releaseAll(this);
  }

  /**
   * Takes sections without entries.
   *
   * @param asked whether they are to be of origins that were claimed.
   * @returns how many fitted.
   * @throws PeerError
   */
  takeLight(sections: readonly Section[], asked: "asked" | "unasked"): number {
    const { claims, limits } = this.#context;
    checkOrigins(
      sections.map(({ origin }) => origin),
      limits,
    );
    // What they list of all origins together is no more than may be held, kept or renewed.
    if (sections.reduce((sum, section) => sum + listedIn(section), 0) > 2 * limits.entries) {
      throw new PeerError("limit", `it has more than ${limits.entries} entries`);
    }
    let fitted = 0;
    for (const section of sections) {
      if (section.entries !== undefined || (asked === "asked" && !this.#wanted.has(section.origin))) {
        throw unwanted();
      }
      const intake = this.#intake(section);
      if (intake.fits) fitted++;
      intake.finish();
      claims.release(section.origin, this);
    }
    return fitted;
  }

  /**
   * Takes a section whose entries follow; each origin that was claimed comes once.
   *
   * @returns whether it fitted.
   * @throws PeerError; what came before is kept.
   */
  async take(section: Section): Promise<boolean> {
    const { clock, limits, claims, count } = this.#context;
    if (!this.#wanted.delete(section.origin)) throw unwanted();
    const until = clock.monotonic() + limits.exchangeMs;
    const intake = this.#intake(section);
    const { fits } = intake;
    let begun = clock.monotonic();
    while (intake.missing > 0) {
      const archive = await this.#messages.receiveBatch();
      const receivedAt = clock.monotonic();
      if (receivedAt > until) {
        throw new PeerError("timeout", `a section took over ${limits.exchangeMs / 1000} s`);
      }
      const batch = await decodeBatch(archive, limits);
      if (batch.length > intake.missing)
        throw new PeerError("protocol", "it sends more entries than it told");
      for (const received of batch) {
        checkGzip(received);
        const entry = entryFrom(received.metadata, received.gzip, section, receivedAt);
        intake.take(entry, (one) => this.#checkRoom(one));
        count("in", 1);
        if (clock.monotonic() - begun < checkingMs) continue;
        await yieldToOthers();
        begun = clock.monotonic();
      }
      claims.renew(section.origin, this);
    }
    intake.finish();
    claims.release(section.origin, this);
    return fits;
  }

  #intake(section: Section): Intake {
    const { cache, clock, limits } = this.#context;
    const { holdings } = cache;
    const isNew = holdings.get(section.origin) === undefined;
    if (isNew && holdings.originsKnown >= limits.origins) {
      throw new PeerError("limit", `there are more than ${limits.origins} origins`);
    }
    return new Intake(section, holdings, clock.monotonic(), limits.entriesPerOrigin);
  }

  /** What takes the place of its predecessor needs no more than that had. */
  #checkRoom(entry: Scrape): void {
    const { cache, limits } = this.#context;
    const { entries, gzipBytes } = cache.totals;
    const before = cache.predecessorOf(entry);
    const otherEntries = before === undefined ? entries : entries - 1;
    if (otherEntries >= limits.entries || gzipBytes - (before?.gzip.length ?? 0) >= limits.gzipBytes) {
      throw new PeerError("limit", "the cache is full");
    }
  }
}

function unwanted(): PeerError {
  return new PeerError("protocol", "it sends a section that was not asked for");
}

/** How many sequences the lists of a section stand for. */
function listedIn({ kept = [], renewals = [] }: Section): number {
  const lists = renewals.map(({ only, except }) => only ?? except ?? []);
  return [kept, ...lists].reduce((sum, list) => sum + countSequences(list), 0);
}
