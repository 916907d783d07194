import { dirname, resolve } from "node:path";
import { readScrapeAuth, ScrapeAuthFault } from "../../config/scrape-auth.js";
import { ConfigError, codeOf } from "../../errors.js";
import { ScrapeError } from "../../fetch/scrape-error.js";
import { readText } from "../../files/read-text.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { quoted } from "../../model/path-segment.js";
import { type Connections, connectionOptions, type ScrapeTimes } from "../connections.js";
import { LastGood } from "./last-good.js";
import { type Access, type EntryContext, LiveEntry } from "./live-entry.js";

export interface ScrapeCredentialsOptions extends ScrapeTimes {
  /** SCRAPE_AUTH_FILE. */
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Timeout of a request to a token server in seconds; default 5. */
  readonly tokenTimeout?: number;
}

const maxBytes = 1024 * 1024;
const defaultName = "default";

/** Looks up the credentials of targets. */
export type Credentials = Awaited<ReturnType<typeof openScrapeCredentials>>;

type Entries = ReadonlyMap<string, LiveEntry>;

/**
 * Opens the credentials in SCRAPE_AUTH_FILE. The file, and the files that it names, are read again on use, at most once
 * per second. An invalid change is logged once, and the previous content stays in use.
 *
 * @throws ConfigError with one line per problem, naming entry and key, if the file is unusable.
 */
export async function openScrapeCredentials(options: ScrapeCredentialsOptions) {
  const { clock, logger } = options;
  const path = resolve(options.path);
  /** Replaced connections. They stay open until the scrapes that use them have ended. */
  const retired = new Set<Connections>();
  const closeRetired = async (connections: Connections) => {
    if (retired.delete(connections)) await connections.close();
  };
  const context: EntryContext = {
    folder: dirname(path),
    clock,
    logger,
    tokenTimeout: options.tokenTimeout ?? 5,
    connectionOptions: connectionOptions(options),
    retire(connections) {
      retired.add(connections);
      setTimeout(() => void closeRetired(connections), options.timeout * 1000).unref();
    },
  };

  let loadedText: string | undefined;
  const load = async (previous: Entries): Promise<Entries> => {
    const text = await readText(path, maxBytes).catch((error: unknown) => {
      throw new ScrapeAuthFault([
        `it must be a readable file (${codeOf(error) ?? (error as Error).message})`,
      ]);
    });
    if (text === loadedText) return previous;
    const entries = await openEntries(text, previous, context);
    for (const [name, entry] of previous) if (entries.get(name) !== entry) entry.retire();
    if (loadedText !== undefined) logger.info("SCRAPE_AUTH_FILE changed", { entries: [...entries.keys()] });
    loadedText = text;
    return entries;
  };

  const first = await load(new Map()).catch((error: unknown) => {
    if (!(error instanceof ScrapeAuthFault)) throw error;
    throw new ConfigError(
      error.problems.map(
        (problem) => `SCRAPE_AUTH_FILE=${JSON.stringify(options.path)} cannot be used: ${problem}`,
      ),
    );
  });
  const loaded = new LastGood(first, {
    clock,
    load,
    report: (problem) =>
      problem === undefined
        ? logger.info("SCRAPE_AUTH_FILE recovered")
        : logger.error("cannot use SCRAPE_AUTH_FILE, keeping the previous entries", { path, problem }),
  });

  return {
    /**
     * @param name the entry that the target names; undefined for the entry `default`, if it exists.
     * @param url the URL to scrape.
     * @returns undefined if the target is scraped without credentials.
     * @throws ScrapeError if there is no such entry, or it is unusable for this URL or at the moment.
     */
    async access(name: string | undefined, url: string): Promise<Access | undefined> {
      const entry = (await loaded.current()).get(name ?? defaultName);
      if (entry === undefined && name !== undefined) throw unknownEntry(name);
      return await entry?.access(url);
    },
    /** Closes all connections. */
    async close(): Promise<void> {
      for (const entry of loaded.latest.values()) entry.retire();
      await Promise.all([...retired].map(closeRetired));
    },
  };
}

/** The error for a target that names an entry which does not exist. */
export function unknownEntry(name: string): ScrapeError {
  return new ScrapeError(
    "credentials",
    `not scraped: SCRAPE_AUTH_FILE has no entry ${quoted(name)}, which metrics.auth or __auth__ of the target names`,
  );
}

/** Opens the entries of a text. Unchanged entries stay in use. Opens all entries or none. */
async function openEntries(text: string, previous: Entries, context: EntryContext): Promise<Entries> {
  const entries = new Map<string, LiveEntry>();
  const problems: string[] = [];
  for (const [name, settings] of readScrapeAuth(text)) {
    const known = previous.get(name);
    if (known !== undefined && JSON.stringify(known.settings) === JSON.stringify(settings)) {
      entries.set(name, known);
      continue;
    }
    try {
      entries.set(name, await LiveEntry.open(name, settings, context));
    } catch (error) {
      problems.push(`entry ${quoted(name)}: ${(error as Error).message}`);
    }
  }
  if (problems.length === 0) return entries;
  for (const [name, entry] of entries) if (previous.get(name) !== entry) entry.retire();
  throw new ScrapeAuthFault(problems);
}
