import type { Scraped } from "../fetch/read-response.js";
import { failureOutcomes, ScrapeError } from "../fetch/scrape-error.js";
import type { HttpFetch } from "../model/target.js";
import type { Scraper } from "./http-scraper.js";

/** A successful scrape and its URL. */
export interface Probed extends Scraped {
  readonly url: string;
}

/** The URLs of a target, and what is known of them. */
export interface ProbedUrls extends Pick<HttpFetch, "urls" | "auth"> {
  /** The URL that was successful last. */
  readonly winner: string | undefined;
  /** The URL that is known to have metrics: a response without samples is a success. */
  readonly known: string | undefined;
}

/**
 * Scrapes a target that may have several URLs, such as one per port.
 *
 * The URL that was successful last is scraped alone. If there is none, or it fails, the others are scraped
 * concurrently, so that one that hangs does not use up the time of the others. The first successful one in order wins.
 *
 * @throws ScrapeError with the reasons of all failed URLs.
 */
export async function probe(
  scraper: Scraper,
  { urls, auth, winner, known }: ProbedUrls,
  signal: AbortSignal,
): Promise<Probed> {
  const failures: { url: string; error: ScrapeError }[] = [];
  const attempt = async (url: string, attemptSignal: AbortSignal): Promise<Probed> => {
    const scraped = await scraper.scrape(url, attemptSignal, auth);
    if (scraped.samples === 0 && url !== known)
      throw new ScrapeError("no_samples", "exposition has no samples");
    return { ...scraped, url };
  };

  if (winner !== undefined) {
    try {
      return await attempt(winner, signal);
    } catch (error) {
      failures.push({ url: winner, error: asScrapeError(error) });
      // After a timeout, no time is left; the others follow in the next cycle. Missing credentials affect all URLs.
      const outcome = failures[0]?.error.outcome;
      if (signal.aborted || outcome === "timeout" || outcome === "credentials") throw summary(failures);
    }
  }

  // In some releases of Node 20, AbortSignal.any leaks memory on a long-lived signal such as the target's.
  const enough = new AbortController();
  const abortAll = () => enough.abort();
  signal.addEventListener("abort", abortAll);
  if (signal.aborted) abortAll();
  const others = urls.filter((url) => url !== winner);
  const attempts = others.map((url) => attempt(url, enough.signal));
  // The URLs after the winner are aborted; their rejections are expected.
  for (const pending of attempts) pending.catch(() => undefined);
  try {
    for (const [index, pending] of attempts.entries()) {
      try {
        return await pending;
      } catch (error) {
        failures.push({ url: others[index]!, error: asScrapeError(error) });
        if (failures.at(-1)?.error.outcome === "credentials") break;
      }
    }
    throw summary(failures);
  } finally {
    signal.removeEventListener("abort", abortAll);
    abortAll();
  }
}

function asScrapeError(error: unknown): ScrapeError {
  if (error instanceof ScrapeError) return error;
  throw error;
}

function summary(failures: readonly { url: string; error: ScrapeError }[]): ScrapeError {
  const first = [...failures].sort(
    (a, b) => failureOutcomes.indexOf(a.error.outcome) - failureOutcomes.indexOf(b.error.outcome),
  )[0]!;
  if (failures.length === 1 || first.error.outcome === "credentials") return first.error;
  const reason = failures.map(({ url, error }) => `${new URL(url).host}: ${error.message}`).join("; ");
  return new ScrapeError(first.error.outcome, reason, { cause: first.error });
}
