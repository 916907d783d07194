import { spawn } from "node:child_process";

/** Why `promtool check metrics` cannot parse a text, or undefined. Its style rules do not count. */
export async function promtoolFault(text: Buffer | string): Promise<string | undefined> {
  const child = spawn("promtool", ["check", "metrics"], { stdio: ["pipe", "ignore", "pipe"] });
  let output = "";
  child.stderr.on("data", (data) => {
    output += data;
  });
  // It may exit before it has read everything.
  child.stdin.on("error", () => undefined);
  child.stdin.end(text);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  // 3: valid, with style warnings.
  return code === 0 || code === 3 ? undefined : output.trim() || `exit code ${code}`;
}
