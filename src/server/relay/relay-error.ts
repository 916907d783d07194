import { AppError } from "../../errors.js";

/** Why the relay sends no exposition. The message is the response to the client, in one line. */
export class RelayError extends AppError {
  /**
   * @param status 400: invalid request, 403: target not allowed, 502: target failed, 503: overloaded, 504: timeout.
   */
  constructor(
    readonly status: 400 | 403 | 502 | 503 | 504,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
