import { isOnPath, type RunningProgram, startProgram } from "./program.js";

/** A Pushgateway on loopback, without persistence. */
export interface RunningPushgateway extends RunningProgram {
  /**
   * Replaces all its metrics. Returns why it rejects them, or undefined. It always rejects timestamps.
   */
  push(text: Buffer): Promise<string | undefined>;
}

/** Why tests that need a real Pushgateway cannot run here, or undefined when they can. */
export function pushgatewayMissing(): string | undefined {
  return program() === undefined
    ? "there is no Pushgateway on the PATH (Debian: apt-get install prometheus-pushgateway)"
    : undefined;
}

/** Starts a Pushgateway and waits until it is ready. */
export async function startPushgateway(): Promise<RunningPushgateway> {
  // The default of Debian is a file of the system, with the metrics of other Pushgateways.
  const gateway = await startProgram(program() ?? "prometheus-pushgateway", ["--persistence.file="]);
  const group = `${gateway.url}/metrics/job/test`;
  return {
    ...gateway,
    async push(text: Buffer): Promise<string | undefined> {
      await fetch(group, { method: "DELETE" });
      // As `curl --data-binary` does.
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const response = await fetch(group, { method: "PUT", body: new Uint8Array(text), headers });
      const answer = await response.text();
      return response.ok ? undefined : `${response.status} ${answer.trim()}`;
    },
  };
}

/** The name of the program, which is different on Debian. */
function program(): string | undefined {
  return ["prometheus-pushgateway", "pushgateway"].find(isOnPath);
}
