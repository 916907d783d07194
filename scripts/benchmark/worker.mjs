// Runs the measured code in its own process. The parent starts each run and receives its cost.
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * In the worker: replies to each message of the parent with the cost of one `run`. CPU time, including threads, counts from
 * the end of the previous run, so that it includes deferred work.
 */
export function handleRuns(run) {
  let before = process.cpuUsage();
  process.on("message", async () => {
    const begun = performance.now();
    const result = await run();
    const wall = (performance.now() - begun) / 1000;
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    process.send({ wall, cpu: (user + system) / 1e6, ...result });
  });
  process.on("disconnect", () => process.exit());
  process.send("ready");
}

/** In the parent: starts a worker. @param settings environment variables. @param execArgv options of Node. */
export async function startWorker(file, settings, execArgv = []) {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = fork(path, { env: { ...process.env, ...settings }, execArgv });
  const ended = once(child, "exit");
  const receive = async () => {
    const [message] = await Promise.race([
      once(child, "message"),
      ended.then(([code]) => {
        throw new Error(`${file} ended with ${code}`);
      }),
    ]);
    return message;
  };
  const ready = await receive();
  return {
    pid: child.pid,
    /** The first message of the worker. */
    ready,
    /** Runs once. */
    run() {
      const result = receive();
      child.send("run");
      return result;
    },
    /** Lets it exit by itself, so that Node can write a profile. */
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

/** The peak of a process' resident memory in bytes. */
export function peakMemory(pid) {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(kilobytes) * 1024;
}

/** CPU time of a process in seconds, user and system, with a resolution of 10 ms. */
export function cpuTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  const ticksPerSecond = 100;
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
