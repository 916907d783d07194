import { AppError } from "../errors.js";

/**
 * How a scrape ended, for counting. `credentials`: the target was not asked, for what it is to be asked with is not
 * there.
 */
export const scrapeOutcomes = [
  "success",
  "credentials",
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
  /** The status that the target answered with, where that is what went wrong. */
  readonly status: number | undefined;

  constructor(
    readonly outcome: Exclude<ScrapeOutcome, "success">,
    reason: string,
    options?: { cause?: unknown; status?: number },
  ) {
    super(reason, options);
    this.status = options?.status;
  }
}
