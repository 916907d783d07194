import { AppError } from "./errors.js";

/** The time for something is over. */
export class DeadlineError extends AppError {}

/**
 * Runs `work` with a signal that aborts when `signal` does or after `milliseconds`, and rejects at once then,
 * whether or not the work heeds its signal. Leaves no timer and no listener behind. (AbortSignal.any would do
 * the same, but keeps growing on a long-lived signal in some releases of Node 20.)
 *
 * @throws DeadlineError, or what `work` throws.
 */
export async function withDeadline<T>(
  milliseconds: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(new Error("stopped"));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  const timer = setTimeout(
    () => controller.abort(new DeadlineError(`no answer within ${milliseconds / 1000} s`)),
    milliseconds,
  );
  try {
    return await new Promise<T>((resolve, reject) => {
      const fail = () => reject(controller.signal.reason);
      if (controller.signal.aborted) return fail();
      controller.signal.addEventListener("abort", fail);
      work(controller.signal).then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}
