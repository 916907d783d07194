import { dirname, resolve } from "node:path";
import { readScrapeAuth, ScrapeAuthFault } from "../../config/read-scrape-auth.js";
import { ConfigError, codeOf } from "../../errors.js";
import { readText } from "../../files/read-text.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { quoted } from "../../model/path-segment.js";
import { connectionOptions } from "../connections.js";
import { type Credentials, unknownEntry } from "./access.js";
import { LastGood } from "./last-good.js";
import { type EntrySurroundings, LiveEntry } from "./live-entry.js";
import { Retirement } from "./retirement.js";

export interface ScrapeCredentialsOptions {
  /** SCRAPE_AUTH_FILE. */
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Seconds that one scrape takes at most. */
  readonly timeout: number;
  /** Seconds that an idle connection is kept. */
  readonly keepAlive: number;
  /** Seconds for a request to a token server; 5 unless told. */
  readonly tokenTimeout?: number;
}

const maxBytes = 1024 * 1024;
const defaultName = "default";

/** The file as it was read, with its entries in use. */
interface Loaded {
  readonly text: string;
  readonly entries: ReadonlyMap<string, LiveEntry>;
}

/**
 * The credentials in SCRAPE_AUTH_FILE. The file, and the files that it names, are looked at again when they are used,
 * at most once a second; a change that cannot be used is told once, and what was there before goes on.
 *
 * @throws ConfigError with one line for each fault, naming entry and key, where the file cannot be used now.
 */
export async function openScrapeCredentials(options: ScrapeCredentialsOptions): Promise<Credentials> {
  const { clock, logger } = options;
  const path = resolve(options.path);
  const retirement = new Retirement(options.timeout);
  const surroundings: EntrySurroundings = {
    clock,
    logger,
    tokenTimeout: options.tokenTimeout ?? 5,
    connectionOptions: connectionOptions(options),
    retire: (connections) => retirement.take(connections),
  };

  const load = async (previous?: Loaded): Promise<Loaded> => {
    const text = await readText(path, maxBytes).catch((error: unknown) => {
      throw new ScrapeAuthFault([
        `it must be a readable file (${codeOf(error) ?? (error as Error).message})`,
      ]);
    });
    if (text === previous?.text) return previous;
    const entries = await openEntries(text, dirname(path), previous?.entries ?? new Map(), surroundings);
    for (const [name, entry] of previous?.entries ?? []) if (entries.get(name) !== entry) entry.retire();
    if (previous !== undefined) logger.info("SCRAPE_AUTH_FILE has changed", { entries: [...entries.keys()] });
    return { text, entries };
  };

  const first = await load().catch((error: unknown) => {
    if (!(error instanceof ScrapeAuthFault)) throw error;
    throw new ConfigError(
      error.problems.map(
        (problem) => `SCRAPE_AUTH_FILE=${JSON.stringify(options.path)} cannot be used: ${problem}`,
      ),
    );
  });
  const loaded = new LastGood<Loaded>(first, {
    clock,
    load,
    tell: (problem) =>
      problem === undefined
        ? logger.info("SCRAPE_AUTH_FILE can be used again")
        : logger.error("SCRAPE_AUTH_FILE cannot be used: what it said before goes on", { path, problem }),
  });

  return {
    async access(name, url) {
      const { entries } = await loaded.current();
      const entry = entries.get(name ?? defaultName);
      if (entry === undefined && name !== undefined) throw unknownEntry(name);
      return await entry?.access(url);
    },
    async close() {
      for (const entry of loaded.latest.entries.values()) entry.retire();
      await retirement.end();
    },
  };
}

/** The entries of a text; those that are as before stay in use. All or none. */
async function openEntries(
  text: string,
  folder: string,
  previous: ReadonlyMap<string, LiveEntry>,
  surroundings: EntrySurroundings,
): Promise<ReadonlyMap<string, LiveEntry>> {
  const entries = new Map<string, LiveEntry>();
  const problems: string[] = [];
  for (const [name, settings] of readScrapeAuth(text, folder)) {
    const known = previous.get(name);
    if (known !== undefined && JSON.stringify(known.settings) === JSON.stringify(settings)) {
      entries.set(name, known);
      continue;
    }
    try {
      entries.set(name, await LiveEntry.open(name, settings, surroundings));
    } catch (error) {
      problems.push(`entry ${quoted(name)}: ${(error as Error).message}`);
    }
  }
  if (problems.length === 0) return entries;
  for (const [name, entry] of entries) if (previous.get(name) !== entry) entry.retire();
  throw new ScrapeAuthFault(problems);
}
