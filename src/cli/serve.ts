import { type Surroundings, startDaemon } from "../daemon.js";

/** Runs the proxy until SIGINT or SIGTERM; a second signal ends it at once. */
export async function serve(surroundings: Surroundings): Promise<void> {
  const daemon = await startDaemon(surroundings);
  const signal = await nextSignal();
  surroundings.logger.info("stopping", { signal });
  void nextSignal().then(() => process.exit(1));
  await daemon.stop();
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
