import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/**
 * Starts the built proxy. Prefixes each line of its log with its title.
 *
 * @returns its title and process id, `ended` (a promise of its exit code), and `stop`.
 */
export function startProxy(title, env) {
  // In its own process group, so that Ctrl-C reaches it only once, through the demo.
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
    // A second SIGTERM while it stops ends the process by the signal.
    ended: once(child, "close").then(([code, signal]) => code ?? (signal === "SIGTERM" ? 0 : 1)),
    stop: () => child.kill("SIGTERM"),
  };
}
