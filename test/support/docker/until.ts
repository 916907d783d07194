import { setTimeout as sleep } from "node:timers/promises";

/**
 * Asks again and again until the answer is as it should be, and answers it. What is thrown on the way counts as an
 * answer that is not.
 *
 * @param what it waits for, in words for the error.
 * @param milliseconds after which it gives up; a minute unless told.
 * @throws Error with what was seen last.
 */
export async function until<T>(
  ask: () => Promise<T>,
  isRight: (answer: T) => boolean,
  what: string,
  milliseconds = 60_000,
): Promise<T> {
  let seen: unknown;
  for (const deadline = Date.now() + milliseconds; Date.now() < deadline; await sleep(100)) {
    try {
      const answer = await ask();
      if (isRight(answer)) return answer;
      seen = answer;
    } catch (error) {
      seen = error;
    }
  }
  const last = seen instanceof Error ? seen.message : JSON.stringify(seen, undefined, 2);
  throw new Error(`not within ${milliseconds / 1000} s: ${what}; last seen: ${last}`);
}
