import { spawnSync } from "node:child_process";

/** What `promtool check metrics` says to an exposition beside its opinions on style; empty where it can be read. */
export function promtoolFaults(exposition: string): string {
  const { status, stdout, stderr, error } = spawnSync("promtool", ["check", "metrics"], {
    input: exposition,
    encoding: "utf8",
  });
  if (error) throw error;
  // 3: it can be read, and the style is not promtool's.
  return status === 0 || status === 3 ? "" : `${stdout}${stderr}`.trim() || `exit code ${status}`;
}
