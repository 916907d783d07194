import { dirname, resolve } from "node:path";
import { readScrapeAuth, ScrapeAuthFault } from "../../config/read-scrape-auth.js";
import { ConfigError, codeOf } from "../../errors.js";
import { readText } from "../../files/read-text.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { quoted } from "../../model/path-segment.js";
import { type Connections, connectionOptions, type ScrapeTimes } from "../connections.js";
import { type Credentials, unknownEntry } from "./access.js";
import { LastGood } from "./last-good.js";
import { type EntryContext, LiveEntry } from "./live-entry.js";

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

/** The text of the file and its entries. */
interface Loaded {
  readonly text: string;
  readonly entries: ReadonlyMap<string, LiveEntry>;
}

/**
 * Opens the credentials in SCRAPE_AUTH_FILE. The file, and the files that it names, are read again on use, at most once
 * per second. An invalid change is logged once, and the previous content stays in use.
 *
 * @throws ConfigError with one line per problem, naming entry and key, if the file is unusable.
 */
export async function openScrapeCredentials(options: ScrapeCredentialsOptions): Promise<Credentials> {
  const { clock, logger } = options;
  const path = resolve(options.path);
  const retired = new RetiredConnections(options.timeout);
  const context: EntryContext = {
    clock,
    logger,
    tokenTimeout: options.tokenTimeout ?? 5,
    connectionOptions: connectionOptions(options),
    retire: (connections) => retired.add(connections),
  };

  const load = async (previous?: Loaded): Promise<Loaded> => {
    const text = await readText(path, maxBytes).catch((error: unknown) => {
      throw new ScrapeAuthFault([
        `it must be a readable file (${codeOf(error) ?? (error as Error).message})`,
      ]);
    });
    if (text === previous?.text) return previous;
    const entries = await openEntries(text, dirname(path), previous?.entries ?? new Map(), context);
    for (const [name, entry] of previous?.entries ?? []) if (entries.get(name) !== entry) entry.retire();
    if (previous !== undefined) logger.info("SCRAPE_AUTH_FILE changed", { entries: [...entries.keys()] });
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
    report: (problem) =>
      problem === undefined
        ? logger.info("SCRAPE_AUTH_FILE recovered")
        : logger.error("cannot use SCRAPE_AUTH_FILE, keeping the previous entries", { path, problem }),
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
      await retired.close();
    },
  };
}

/** Opens the entries of a text. Unchanged entries stay in use. Opens all entries or none. */
async function openEntries(
  text: string,
  folder: string,
  previous: ReadonlyMap<string, LiveEntry>,
  context: EntryContext,
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
      entries.set(name, await LiveEntry.open(name, settings, context));
    } catch (error) {
      problems.push(`entry ${quoted(name)}: ${(error as Error).message}`);
    }
  }
  if (problems.length === 0) return entries;
  for (const [name, entry] of entries) if (previous.get(name) !== entry) entry.retire();
  throw new ScrapeAuthFault(problems);
}

/** Replaced connections. They stay open until the scrapes that use them have ended. */
class RetiredConnections {
  readonly #waiting = new Map<Connections, NodeJS.Timeout>();

  /** @param timeout seconds after which no scrape uses them any more. */
  constructor(private readonly timeout: number) {}

  add(connections: Connections): void {
    const timer = setTimeout(() => void this.#close(connections), this.timeout * 1000);
    this.#waiting.set(connections, timer);
  }

  /** Closes all of them immediately. */
  async close(): Promise<void> {
    await Promise.all([...this.#waiting.keys()].map((connections) => this.#close(connections)));
  }

  async #close(connections: Connections): Promise<void> {
    clearTimeout(this.#waiting.get(connections));
    this.#waiting.delete(connections);
    await connections.close();
  }
}
