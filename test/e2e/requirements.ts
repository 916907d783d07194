import { execFileSync } from "node:child_process";
import { describeUnless } from "../support/describe-unless.js";

/** Why the tests cannot start a Docker engine here; undefined if they can. */
function whyNoEngine(): string | undefined {
  if (process.platform !== "linux") return "starting a Docker engine requires Linux";
  if (process.getuid?.() !== 0) return "starting a Docker engine requires root";
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
