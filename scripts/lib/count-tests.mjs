// count-tests.mjs <folder of vitest's JSON reports> [failed step…]
// Prints `N passed, N failed`, and `, N skipped` if there are any. A failed step without a failed test (a check, or a file
// that does not load) counts as one failed test.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [folder, ...failedSteps] = process.argv.slice(2);
const count = { passed: 0, failed: 0, skipped: 0 };
let failedTestRuns = 0;
for (const name of readdirSync(folder).filter((name) => name.endsWith(".json"))) {
  const report = JSON.parse(readFileSync(join(folder, name), "utf8"));
  count.passed += report.numPassedTests;
  count.failed += report.numFailedTests;
  count.skipped += report.numPendingTests + report.numTodoTests;
  if (report.numFailedTests > 0) failedTestRuns++;
}
count.failed += failedSteps.length - failedTestRuns;
const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
console.log(`${count.passed} passed, ${count.failed} failed${skipped}`);
