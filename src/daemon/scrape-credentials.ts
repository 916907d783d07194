import type { Config } from "../config/config.js";
import type { Logger } from "../logging.js";
import { systemClock } from "../model/clock.js";
import type { Credentials } from "../scan/credentials/access.js";
import { openScrapeCredentials } from "../scan/credentials/scrape-credentials.js";

/**
 * The credentials that targets are asked with, where there are any. Opens no connection yet.
 *
 * @throws ConfigError where SCRAPE_AUTH_FILE cannot be used.
 */
export async function openCredentials(config: Config, logger: Logger): Promise<Credentials | undefined> {
  if (config.scrapeAuthFile === undefined) return undefined;
  return await openScrapeCredentials({
    path: config.scrapeAuthFile,
    clock: systemClock,
    logger,
    ...scrapeTimes(config),
  });
}

/** How long a scrape takes at most, and how long a connection waits for the next one, in seconds. */
export function scrapeTimes({ scrapeInterval, scrapeTimeout }: Config) {
  return { timeout: scrapeTimeout, keepAlive: scrapeInterval + scrapeTimeout };
}
