import { onTestFinished } from "vitest";

/** Runs a clean-up when the test ends. Does nothing outside of tests, in programs such as scripts/stress. */
export function cleanUpAfterTest(cleanUp: () => unknown): void {
  if (process.env["VITEST"] !== undefined) onTestFinished(async () => void (await cleanUp()));
}
