import { spawn } from "node:child_process";

/** What `promtool check metrics` cannot read in a text, or undefined. Its opinions on style do not count. */
export async function promtoolFault(text: Buffer | string): Promise<string | undefined> {
  const child = spawn("promtool", ["check", "metrics"], { stdio: ["pipe", "ignore", "pipe"] });
  let output = "";
  child.stderr.on("data", (data) => {
    output += data;
  });
  // It may end before it has read all.
  child.stdin.on("error", () => undefined);
  child.stdin.end(text);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  // 3: it can be read, and its style is not promtool's.
  return code === 0 || code === 3 ? undefined : output.trim() || `exit code ${code}`;
}
