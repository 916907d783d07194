import { describe } from "vitest";

/**
 * `describe` for tests with requirements. If one is `missing`, the tests are skipped, with the reason in their title;
 * if CI is set, they fail instead.
 */
export function describeUnless(missing: string | undefined, title: string, tests: () => void): void {
  if (missing === undefined || process.env["CI"]) describe(title, tests);
  else describe.skip(`${title} (skipped: ${missing})`, tests);
}
