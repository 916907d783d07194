import { AppError } from "../errors.js";

/** How a scrape ended, for counting. */
export const scrapeOutcomes = [
  "success",
  "connection",
  "timeout",
  "status",
  "too_large",
  "invalid",
  "no_samples",
  "aborted",
] as const;
export type ScrapeOutcome = (typeof scrapeOutcomes)[number];

/** A scrape that brought nothing; the message is the reason as the status page shows it. */
export class ScrapeError extends AppError {
  constructor(
    readonly outcome: Exclude<ScrapeOutcome, "success">,
    reason: string,
    options?: { cause?: unknown },
  ) {
    super(reason, options);
  }
}
