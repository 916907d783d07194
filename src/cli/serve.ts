import { startDaemon } from "../daemon/daemon.js";
import type { Environment } from "../daemon/scanning.js";

/**
 * Runs the proxy until SIGINT or SIGTERM; a second signal ends the process immediately.
 *
 * @throws AppError if it fails to start.
 */
export async function serve(environment: Environment): Promise<void> {
  const daemon = await startDaemon(environment);
  const requested = nextSignal();
  try {
    await Promise.race([daemon.started, requested]);
  } catch (error) {
    await daemon.stop();
    throw error;
  }
  const signal = await requested;
  environment.logger.info("stopping", { signal });
  let stopped = false;
  void nextSignal().then(() => process.exit(stopped ? 0 : 1));
  await daemon.stop();
  stopped = true;
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const signals = ["SIGINT", "SIGTERM"] as const;
    const handle = (signal: NodeJS.Signals) => {
      for (const name of signals) process.off(name, handle);
      resolve(signal);
    };
    for (const name of signals) process.on(name, handle);
  });
}
