import type { Surroundings } from "../daemon/surroundings.js";
import { startDaemon } from "../daemon.js";

/**
 * Runs the proxy until SIGINT or SIGTERM, which count from the first answer on; a second signal ends it at once.
 *
 * @throws AppError where it cannot be started.
 */
export async function serve(surroundings: Surroundings): Promise<void> {
  const daemon = await startDaemon(surroundings);
  const asked = nextSignal();
  try {
    await Promise.race([daemon.started, asked]);
  } catch (error) {
    await daemon.stop();
    throw error;
  }
  const signal = await asked;
  surroundings.logger.info("stopping", { signal });
  let stopped = false;
  void nextSignal().then(() => process.exit(stopped ? 0 : 1));
  await daemon.stop();
  stopped = true;
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const signals = ["SIGINT", "SIGTERM"] as const;
    const heard = (signal: NodeJS.Signals) => {
      for (const name of signals) process.off(name, heard);
      resolve(signal);
    };
    for (const name of signals) process.on(name, heard);
  });
}
