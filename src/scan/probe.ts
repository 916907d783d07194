import type { Scraped } from "../fetch/read-answer.js";
import { ScrapeError } from "../fetch/scrape-error.js";
import type { HttpFetch } from "../model/target.js";
import type { Scraper } from "./http-scraper.js";

/** A good scrape and the candidate that gave it. */
export interface Probed extends Scraped {
  readonly url: string;
}

/**
 * Scrapes a target of which several URLs may be the right one.
 *
 * The one that answered last is asked alone. Where there is none, or it fails, the others are asked at the same
 * time, so that one that hangs does not use up the others' time, and the first of them in order that is good wins.
 *
 * @throws ScrapeError with the reasons of all that were asked.
 */
export async function probe(
  scraper: Scraper,
  { urls, auth }: Pick<HttpFetch, "urls" | "auth">,
  winner: string | undefined,
  signal: AbortSignal,
): Promise<Probed> {
  const failures: { url: string; error: ScrapeError }[] = [];
  const attempt = async (url: string, attemptSignal: AbortSignal): Promise<Probed> => ({
    ...(await scraper.scrape(url, attemptSignal, auth)),
    url,
  });

  if (winner !== undefined) {
    try {
      return await attempt(winner, signal);
    } catch (error) {
      failures.push({ url: winner, error: asScrapeError(error) });
      // The time of this scrape is used up: the others have their turn in the next cycle. And credentials that are
      // not there are there for none of them.
      const outcome = failures[0]?.error.outcome;
      if (signal.aborted || outcome === "timeout" || outcome === "credentials") throw summary(failures);
    }
  }

  // AbortSignal.any would leave something behind on the target's signal for every attempt, for as long as the target
  // lives, in some releases of Node 20.
  const enough = new AbortController();
  const callOff = () => enough.abort();
  signal.addEventListener("abort", callOff);
  if (signal.aborted) callOff();
  const others = urls.filter((url) => url !== winner);
  const attempts = others.map((url) => attempt(url, enough.signal));
  // Those behind the winner are called off; their rejections say nothing.
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
    signal.removeEventListener("abort", callOff);
    callOff();
  }
}

function asScrapeError(error: unknown): ScrapeError {
  if (error instanceof ScrapeError) return error;
  throw error;
}

/** Of several failures the one that came closest to metrics tells the outcome. */
const telling: readonly ScrapeError["outcome"][] = [
  "aborted",
  "credentials",
  "too_large",
  "no_samples",
  "invalid",
  "timeout",
  "status",
  "connection",
];

function summary(failures: readonly { url: string; error: ScrapeError }[]): ScrapeError {
  const worst = [...failures].sort(
    (a, b) => telling.indexOf(a.error.outcome) - telling.indexOf(b.error.outcome),
  )[0]!;
  if (failures.length === 1 || worst.error.outcome === "credentials") return worst.error;
  const reason = failures.map(({ url, error }) => `${new URL(url).host}: ${error.message}`).join("; ");
  return new ScrapeError(worst.error.outcome, reason, { cause: worst.error });
}
