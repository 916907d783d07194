import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Environment variables that set the wall clock of a process two hours ahead, not its monotonic clock. */
export function twoHoursAhead(): Promise<Record<string, string>> {
  return clockAhead("+2h");
}

/** The same for any offset in the notation of faketime: `+8s`, `-5m`. */
export async function clockAhead(offset: string): Promise<Record<string, string>> {
  const { stdout } = await promisify(execFile)("faketime", [
    ...["-m", "--exclude-monotonic", "-f", offset],
    "env",
  ]);
  const lines = stdout.split("\n").filter((line) => /^(LD_PRELOAD|FAKETIME\w*|DONT_FAKE\w*)=/.test(line));
  // The shared memory of faketime ends with the process that printed this.
  const own = lines.filter((line) => !line.startsWith("FAKETIME_SHARED="));
  return Object.fromEntries(own.map((line) => line.split(/=(.*)/s, 2) as [string, string]));
}
