import { AppError } from "./errors.js";

/** A timeout expired. */
export class DeadlineError extends AppError {}

/**
 * Runs `work` with a signal that aborts when `signal` aborts or after `milliseconds`. Then rejects immediately, even if
 * `work` ignores its signal. Removes its timer and listeners. (AbortSignal.any leaks memory on a long-lived signal in
 * some releases of Node.js 20.)
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
    () => controller.abort(new DeadlineError(`no response within ${milliseconds / 1000} s`)),
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
