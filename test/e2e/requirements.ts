import { execFileSync } from "node:child_process";
import { describeUnless } from "../support/describe-unless.js";

/** Why no Docker engine can be started here; undefined where one can. */
function whyNoEngine(): string | undefined {
  if (process.platform !== "linux") return "a Docker engine of the tests' own needs Linux";
  if (process.getuid?.() !== 0) return "a Docker engine of the tests' own needs root";
  const programs = ["dockerd", "docker", "unshare", "nsenter", "ip", "iptables", "busybox"];
  const missing = programs.filter((program) => !isInstalled(program));
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

function isInstalled(program: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** `describe` for tests on a real engine. */
export function describeOnEngine(title: string, tests: () => void): void {
  describeUnless(whyNoEngine(), title, tests);
}
