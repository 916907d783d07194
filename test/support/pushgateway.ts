import { isOnPath, type RunningProgram, startProgram } from "./program.js";

/** A Pushgateway on loopback that keeps what it is given in memory. */
export interface RunningPushgateway extends RunningProgram {
  /**
   * Replaces all that it holds by these metrics. Answers why it refuses them, or undefined. It refuses timestamps,
   * whatever else there is.
   */
  push(text: Buffer): Promise<string | undefined>;
}

/** Why tests that need a real Pushgateway cannot run here, or undefined when they can. */
export function pushgatewayMissing(): string | undefined {
  return program() === undefined
    ? "there is no Pushgateway on the PATH (Debian: apt-get install prometheus-pushgateway)"
    : undefined;
}

/** Starts a Pushgateway and waits until it takes metrics. */
export async function startPushgateway(): Promise<RunningPushgateway> {
  // Debian's would else read and write a file of the system's, with all that any other one was ever given.
  const gateway = await startProgram(program() ?? "prometheus-pushgateway", ["--persistence.file="]);
  const group = `${gateway.url}/metrics/job/test`;
  return {
    ...gateway,
    async push(text: Buffer): Promise<string | undefined> {
      await fetch(group, { method: "DELETE" });
      // As `curl --data-binary` does it.
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const response = await fetch(group, { method: "PUT", body: new Uint8Array(text), headers });
      const answer = await response.text();
      return response.ok ? undefined : `${response.status} ${answer.trim()}`;
    },
  };
}

/** Debian's package has another name for it than the project itself. */
function program(): string | undefined {
  return ["prometheus-pushgateway", "pushgateway"].find(isOnPath);
}
