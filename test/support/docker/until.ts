import { setTimeout as sleep } from "node:timers/promises";

/**
 * Repeats a function until its result is accepted, and returns that. An error counts as a result that is not accepted.
 *
 * @param what it waits for, for the error message.
 * @param milliseconds until it fails. Default: one minute.
 * @throws Error with the last result.
 */
export async function until<T>(
  run: () => Promise<T>,
  isAccepted: (result: T) => boolean,
  what: string,
  milliseconds = 60_000,
): Promise<T> {
  let last: unknown;
  for (const deadline = Date.now() + milliseconds; Date.now() < deadline; await sleep(100)) {
    try {
      const result = await run();
      if (isAccepted(result)) return result;
      last = result;
    } catch (error) {
      last = error;
    }
  }
  const text = last instanceof Error ? last.message : JSON.stringify(last, undefined, 2);
  throw new Error(`not within ${milliseconds / 1000} s: ${what}; last result: ${text}`);
}
