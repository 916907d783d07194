import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { freePort } from "./free-port.js";
import { tempFolder } from "./temp-folder.js";

/**
 * Starts nginx with one server on a free port of loopback, until the test is done.
 *
 * @param listen what follows the address in `listen`, such as `ssl`.
 * @param server the directives of the server.
 */
export async function startNginx(listen: string, server: string): Promise<{ port: number; log(): string }> {
  const folder = tempFolder();
  const port = await freePort();
  const configuration = join(folder, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(" ");
  writeFileSync(
    configuration,
    `${process.getuid?.() === 0 ? "user root; " : ""}daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
events { worker_connections 64; }
http { access_log off; ${temporary}
  server { listen 127.0.0.1:${port} ${listen}; ${server} } }`,
  );
  const child = spawn("nginx", ["-p", folder, "-e", "stderr", "-c", configuration], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  onTestFinished(async () => {
    child.kill("SIGTERM");
    await exited;
  });
  for (let tries = 0; !(await answers(port)); tries++) {
    if (child.exitCode !== null || tries > 400) throw new Error(`nginx does not answer:\n${log}`);
    await sleep(25);
  }
  return { port, log: () => log };
}

async function answers(port: number): Promise<boolean> {
  return await fetch(`http://127.0.0.1:${port}/`).then(
    () => true,
    () => false,
  );
}
