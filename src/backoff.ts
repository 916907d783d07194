/** How delays between retries grow. All delays have the same unit, which the caller chooses. */
export interface BackoffOptions {
  /** The delay after the first failure. It doubles with each further one. */
  readonly first: number;
  readonly longest: number;
  /**
   * The largest part of a delay that is subtracted at random, from 0 to 1, so that many clients do not retry at the
   * same moment. Default 0.
   */
  readonly jitter?: number;
}

/**
 * The delay before the next retry.
 *
 * @param failures consecutive failures, at least 1.
 * @param random returns a number from 0 up to 1.
 */
export function backoffDelay(
  failures: number,
  { first, longest, jitter = 0 }: BackoffOptions,
  random: () => number = Math.random,
): number {
  // The exponent is limited so that the result stays finite.
  const delay = Math.min(first * 2 ** Math.min(failures - 1, 30), longest);
  return delay * (1 - jitter * random());
}

/** Counts consecutive failures and tracks when to retry. */
export class Backoff {
  #failures = 0;
  #nextAt = 0;

  /** @param random returns a number from 0 up to 1. */
  constructor(
    private readonly options: BackoffOptions,
    private readonly random: () => number = Math.random,
  ) {}

  /** Consecutive failures. */
  get failures(): number {
    return this.#failures;
  }

  /** The time until a retry is due; 0 if it is. @param now on a monotonic clock, in the unit of the options. */
  wait(now: number): number {
    return Math.max(0, this.#nextAt - now);
  }

  failed(now: number): void {
    this.#failures++;
    this.#nextAt = now + backoffDelay(this.#failures, this.options, this.random);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#nextAt = 0;
  }
}
