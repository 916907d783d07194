import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { tempFolder } from "../support/temp-folder.js";

const root = join(import.meta.dirname, "../..");

/** Replaces vitest: one passed test, and a failed one for the project in `FAILING`. */
const NPX = `
while [ $# -gt 0 ]; do
  case "$1" in
  --project) project=$2 ;;
  --outputFile.json=*) report=\${1#*=} ;;
  esac
  shift
done
if [ "$project" = "$INTERRUPTED" ]; then
  while [ ! -e started ]; do sleep 0.02; done
  kill "$PPID"
  exit 1
fi
if [ "$project" = "$ENDLESS" ]; then
  trap 'touch ended; exit 1' TERM
  touch started
  sleep 60 & wait
fi
failed=0
if [ "$project" = "$FAILING" ]; then failed=1; fi
echo '{"numPassedTests":1,"numFailedTests":'$failed',"numPendingTests":0,"numTodoTests":0}' >"$report"
exit $failed
`;

/** Replaces npm: `npm run --silent <name>` fails if `FAILING` is that name. */
const NPM = `[ "$3" != "$FAILING" ]`;

/**
 * Runs scripts/test in a temporary folder, with replacements for npm and vitest.
 *
 * @param settings environment variables that control the replacements.
 */
function runTests(settings: Readonly<Record<string, string>> = {}) {
  const folder = tempFolder();
  const [bin, reports] = [join(folder, "bin"), join(folder, "tmp")];
  for (const name of [bin, reports, join(folder, "scripts/lib")]) mkdirSync(name, { recursive: true });
  const write = (path: string, script: string) => {
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  };
  for (const name of ["scripts/test", "scripts/lib/count-tests.mjs"])
    copyFileSync(join(root, name), join(folder, name));
  write(join(folder, "scripts/lib/install"), "exit 0");
  write(join(bin, "npx"), NPX);
  write(join(bin, "npm"), NPM);
  symlinkSync(process.execPath, join(bin, "node"));
  // Without apt-get, so that nothing is installed.
  for (const name of ["cat", "dirname", "mktemp", "rm", "sleep", "touch"])
    symlinkSync(`/bin/${name}`, join(bin, name));
  const run = spawnSync("/bin/bash", [join(folder, "scripts/test")], {
    encoding: "utf8",
    env: { PATH: bin, TMPDIR: reports, ...settings },
    timeout: 20_000,
  });
  return {
    code: run.status,
    lines: run.stdout.trimEnd().split("\n"),
    hasEndedSwarm: () => existsSync(join(folder, "ended")),
    left: readdirSync(reports),
  };
}

describe("scripts/test", () => {
  it("succeeds if all checks and tests succeed, and leaves no files", () => {
    const { code, lines, left } = runTests();
    expect({ code, last: lines.at(-1), left }).toEqual({ code: 0, last: "3 passed, 0 failed", left: [] });
  });

  it.each([
    ["a check", "lint", "lint"],
    ["a unit test", "unit", "unit tests"],
    ["a test on a swarm, which runs in parallel with the others", "swarm", "end-to-end tests on a swarm"],
  ])("fails if %s fails, names it, and runs the others", (_, failing, step) => {
    const { code, lines, left } = runTests({ FAILING: failing });
    const last = [`FAILED: ${step}`, "3 passed, 1 failed"];
    expect({ code, last: lines.slice(-2), left }).toEqual({ code: 1, last, left: [] });
  });

  it("stops the tests on a swarm when it is interrupted", async () => {
    const { hasEndedSwarm, left } = runTests({ INTERRUPTED: "unit", ENDLESS: "swarm" });
    await vi.waitFor(() => expect(hasEndedSwarm()).toBe(true));
    expect(left).toEqual([]);
  });
});
