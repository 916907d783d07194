import { type ScanReport, scanOnce } from "../daemon/scan-once.js";
import type { Environment } from "../daemon/scanning.js";
import { AppError } from "../errors.js";

/**
 * Runs one cycle and prints each target with its URL, or the reason why it has no metrics.
 *
 * @throws AppError if no provider could list its targets.
 */
export async function scan(environment: Environment, print: (line: string) => void): Promise<void> {
  const report = await scanOnce(environment);
  if (!report.anyListed) {
    const reasons = report.failures.map(({ provider, reason }) => `${provider}: ${reason}`);
    throw new AppError(`no provider could list its targets: ${reasons.join("; ")}`);
  }
  for (const line of table(rowsOf(report))) print(line);
}

const head = ["NAME", "REPLICA", "STATE", "SAMPLES", "URL OR REASON"];

function rowsOf({ targets, scrapeOf }: ScanReport): string[][] {
  const rows = targets.map(({ target, state, url, reason }) => [
    target.job,
    target.replica,
    state,
    String(scrapeOf(target.id)?.samples ?? ""),
    [url ?? reason ?? "", ...target.problems].join("; "),
  ]);
  return [head, ...rows.sort((a, b) => (a.join("\0") < b.join("\0") ? -1 : 1))];
}

/** Pads all columns but the last. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === head.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
