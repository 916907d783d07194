import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A Pushgateway on loopback that keeps what it is given in memory. */
export interface RunningPushgateway {
  /** Such as `http://127.0.0.1:41234`. */
  readonly url: string;
  /**
   * Replaces all that it holds by these metrics. Answers why it refuses them, or undefined. It refuses timestamps,
   * whatever else there is.
   */
  push(text: Buffer): Promise<string | undefined>;
  /** Ends it. May be called twice. */
  stop(): Promise<void>;
}

/** Why tests that need a real Pushgateway cannot run here, or undefined when they can. */
export function pushgatewayMissing(): string | undefined {
  return program() === undefined
    ? "there is no Pushgateway on the PATH (Debian: apt-get install prometheus-pushgateway)"
    : undefined;
}

/** Starts a Pushgateway and waits until it takes metrics. */
export async function startPushgateway(): Promise<RunningPushgateway> {
  const port = await freePort();
  // Debian's package has another name for it than the project itself.
  const child = spawn(
    program() ?? "prometheus-pushgateway",
    // Debian's would else read and write a file of the system's, with all that any other one was ever given.
    [`--web.listen-address=127.0.0.1:${port}`, "--persistence.file="],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let log = "";
  child.stderr.on("data", (data) => {
    log += data;
  });
  let failure: Error | undefined;
  child.on("error", (error) => {
    failure = error;
  });
  const url = `http://127.0.0.1:${port}`;
  const stop = () => end(child);
  const deadline = Date.now() + 20_000;
  while (!(await isReady(url))) {
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null) throw new Error(`Pushgateway ended with code ${child.exitCode}:\n${log}`);
    if (Date.now() > deadline) {
      await stop();
      throw new Error(`Pushgateway was not ready within 20 s:\n${log}`);
    }
    await sleep(50);
  }
  const group = `${url}/metrics/job/test`;
  return {
    url,
    stop,
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

function program(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return ["prometheus-pushgateway", "pushgateway"].find((name) =>
    folders.some((folder) => {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    }),
  );
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/-/ready`)).ok;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const kill = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await exited;
  clearTimeout(kill);
}

/** A port that was free a moment ago: Pushgateway cannot be asked which one it took. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
