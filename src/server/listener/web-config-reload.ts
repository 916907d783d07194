import { type Access, type AccessSettings, loadAccess } from "../../config/access.js";
import { AppError, describeError } from "../../errors.js";
import { type FileSignatures, type FileWatchTimings, watchFiles } from "../../files/watch-file.js";
import type { Logger } from "../../logging.js";
import type { Telemetry } from "../../telemetry.js";

export interface WebConfigReloadOptions {
  readonly settings: AccessSettings;
  /** The files that the current access was read from, as noted by loadAccess. */
  readonly seen: FileSignatures;
  /** Applies the new access. @throws AppError where that is not possible. */
  readonly use: (access: Access) => void;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly signal: AbortSignal;
  readonly timings?: FileWatchTimings;
}

/**
 * Reloads the web configuration, its certificates and the token file whenever one of them changes, until `signal`
 * aborts. Never rejects: invalid files are reported once, and the previous configuration stays in use.
 */
export async function reloadWebConfig(options: WebConfigReloadOptions): Promise<void> {
  const { settings, seen, use, logger, telemetry, signal } = options;
  if (seen.size === 0) return;
  let reported: string | undefined;
  const reload = async (current: FileSignatures): Promise<FileSignatures> => {
    const read = new Map<string, string>();
    try {
      use(await loadAccess(settings, read, signal));
      reported = undefined;
      telemetry.accessReloadSuccessful.set(1);
      logger.info("web configuration reloaded");
      return read;
    } catch (error) {
      // Reading may have stopped before the file that has to change.
      const watched = new Map([...current, ...read]);
      if (signal.aborted) return watched;
      telemetry.accessReloadSuccessful.set(0);
      const reason = error instanceof AppError ? describeError(error) : String(error);
      if (reason !== reported) {
        logger.error("cannot reload the web configuration; the previous one stays in use", { reason });
      }
      reported = reason;
      return watched;
    }
  };
  await watchFiles(seen, reload, signal, options.timings);
}
