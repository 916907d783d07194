import { AppError } from "../../errors.js";

/** Why the relay has no exposition to give; the message is for the client, in one line. */
export class RelayError extends AppError {
  /**
   * @param status 400 a bad target, 403 one that may not be asked, 502 one that gives nothing good, 503 too much to
   * do, 504 too late.
   */
  constructor(
    readonly status: 400 | 403 | 502 | 503 | 504,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
