// A process of its own for what is measured. The parent has it run and gets the costs of each run.
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * In the worker: answers each message of the parent with the costs of one `run`. Its CPU time, that of its threads
 * included, is counted from the end of the run before: what a run leaves to be done later is not forgotten.
 */
export function answerRuns(run) {
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

/** In the parent: starts a worker; `settings` go into its environment, `execArgv` to Node. */
export async function startWorker(file, settings, execArgv = []) {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = fork(path, { env: { ...process.env, ...settings }, execArgv });
  const ended = once(child, "exit");
  const answer = async () => {
    const [message] = await Promise.race([
      once(child, "message"),
      ended.then(([code]) => {
        throw new Error(`${file} ended with ${code}`);
      }),
    ]);
    return message;
  };
  const ready = await answer();
  return {
    pid: child.pid,
    /** What the worker told when it was ready. */
    ready,
    /** Has it run once. */
    run() {
      const answered = answer();
      child.send("run");
      return answered;
    },
    /** Lets it end by itself, so that Node writes its profile if it was to make one. */
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

/** The most memory that a process ever had resident, in bytes. */
export function peakMemory(pid) {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(kilobytes) * 1024;
}

/** CPU time of a process in seconds, user and system, in steps of 10 ms. */
export function cpuTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  const ticksPerSecond = 100;
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
