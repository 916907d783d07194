import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** The environment in which a process believes that it is two hours later; only the wall clock is ahead. */
export async function twoHoursAhead(): Promise<Record<string, string>> {
  const { stdout } = await promisify(execFile)("faketime", [
    ...["-m", "--exclude-monotonic", "-f", "+2h"],
    "env",
  ]);
  const lines = stdout.split("\n").filter((line) => /^(LD_PRELOAD|FAKETIME\w*|DONT_FAKE\w*)=/.test(line));
  // What would be shared between processes ends with the one that printed this.
  const own = lines.filter((line) => !line.startsWith("FAKETIME_SHARED="));
  return Object.fromEntries(own.map((line) => line.split(/=(.*)/s, 2) as [string, string]));
}
