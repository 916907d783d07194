import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { stringify } from "yaml";
import type { Logger } from "../../../src/logging.js";
import { openScrapeCredentials } from "../../../src/scan/credentials/scrape-credentials.js";
import { createHttpScraper } from "../../../src/scan/http-scraper.js";
import { Scheduler } from "../../../src/scheduler.js";
import { manualClock } from "../../support/manual-clock.js";
import { tempFolder } from "../../support/temp-folder.js";

const never = () => new AbortController().signal;

/** Creates a scraper with its own SCRAPE_AUTH_FILE. Files are read again after the clock advances by a second. */
export async function scraperWith(entries: object | string, folder = tempFolder(), timeout = 3) {
  const path = join(folder, "auth.yml");
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const change = (to: object | string) => write("auth.yml", typeof to === "string" ? to : stringify(to));
  change(entries);
  const clock = manualClock();
  const log: string[] = [];
  const record = (level: string) => (message: string, fields?: object) =>
    void log.push(`${level}: ${message} ${JSON.stringify(fields ?? {})}`);
  const logger: Logger = {
    error: record("error"),
    warn: record("warn"),
    info: record("info"),
    debug: record("debug"),
  };
  const times = { timeout, keepAlive: 10 };
  const credentials = await openScrapeCredentials({ path, clock, logger, tokenTimeout: 0.5, ...times });
  const scraper = createHttpScraper({
    ...times,
    maxBytes: 1024 * 1024,
    userAgent: "test",
    scheduler: new Scheduler(),
    credentials,
  });
  onTestFinished(() => scraper.close());
  return {
    scraper,
    scrape: (url: string, auth?: string) => scraper.scrape(url, never(), auth),
    /** Returns the error message of a scrape. */
    failure: async (url: string, auth?: string) =>
      await scraper.scrape(url, never(), auth).then(
        () => "it did not fail",
        (error: Error) => error.message,
      ),
    clock,
    log,
    write,
    change,
    /** Advances the clock by a second, so that changed files are read. */
    later: () => clock.advance(1),
  };
}
