import { describe } from "vitest";

/**
 * `describe` for tests that need something of this machine. Where that is `missing` they are skipped and their title
 * says why, but never when CI is set: there they fail.
 */
export function describeUnless(missing: string | undefined, title: string, tests: () => void): void {
  if (missing === undefined || process.env["CI"]) describe(title, tests);
  else describe.skip(`${title} (skipped: ${missing})`, tests);
}
