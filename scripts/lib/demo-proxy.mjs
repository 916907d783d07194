import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/**
 * Starts the built proxy; each line of its log bears its title.
 *
 * @returns its title and process id, `ended` with its exit code, and `stop`.
 */
export function startProxy(title, env) {
  // In a process group of its own, so that Ctrl-C reaches it once: through the demo.
  const child = spawn(process.execPath, [program, "serve"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ]) {
    createInterface({ input: from }).on("line", (line) => to.write(`[${title}] ${line}\n`));
  }
  return {
    title,
    pid: child.pid,
    // One that is told to stop once more while it ends does not hear it any more: then the signal ends it.
    ended: once(child, "close").then(([code, signal]) => code ?? (signal === "SIGTERM" ? 0 : 1)),
    stop: () => child.kill("SIGTERM"),
  };
}
