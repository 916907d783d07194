import { maxAttempts } from "../archive/batch-columns.js";
import { type Attempt, type Batch, isLocal, succeeded } from "../model/publication.js";
import { timedAttempts } from "./feed.js";
import type { HeldPublication } from "./held-publication.js";
import type { TimedAttempt } from "./target-scrapes.js";

/** An attempt of this node that no batch names yet. */
export interface PendingAttempt extends TimedAttempt {
  readonly batch: undefined;
  /** Whether it is not sent to other nodes. */
  readonly local: boolean;
}

/** Splits attempts into batches. @param always return one empty batch if there are no attempts. */
export function chunksOf(attempts: readonly PendingAttempt[], always = false): PendingAttempt[][] {
  const count = Math.max(Math.ceil(attempts.length / maxAttempts), always ? 1 : 0);
  return Array.from({ length: count }, (_, chunk) =>
    attempts.slice(chunk * maxAttempts, (chunk + 1) * maxAttempts),
  );
}

/**
 * Gives new numbers to the scrapes of attempts, published or not, so that they can be published again.
 *
 * @returns all attempts, and the new numbers by the old ones.
 */
export function renumber(
  batches: readonly HeldPublication<Batch>[],
  pending: readonly PendingAttempt[],
  nextNumber: () => number,
): { readonly attempts: PendingAttempt[]; readonly numbers: ReadonlyMap<number, number> } {
  const numbers = new Map<number, number>();
  const published = batches.flatMap((held) =>
    timedAttempts(held).map((attempt) => ({
      ...attempt,
      batch: undefined,
      local: isLocal(held.publication),
    })),
  );
  const outcomeOf = (attempt: Pick<Attempt, "outcome">): Attempt["outcome"] => {
    if (!succeeded(attempt)) return attempt.outcome;
    const number = numbers.get(attempt.outcome.number) ?? nextNumber();
    numbers.set(attempt.outcome.number, number);
    return { ...attempt.outcome, number };
  };
  const attempts = [...published, ...pending].map((attempt) => ({ ...attempt, outcome: outcomeOf(attempt) }));
  return { attempts, numbers };
}
