import { type ScanReport, scanOnce } from "../daemon/scan-once.js";
import type { Surroundings } from "../daemon/surroundings.js";
import { AppError } from "../errors.js";

/**
 * Runs one cycle and prints what was found, and why not.
 *
 * @throws AppError where nothing could be listed at all.
 */
export async function scan(surroundings: Surroundings, print: (line: string) => void): Promise<void> {
  const report = await scanOnce(surroundings);
  if (!report.anyListed) {
    const reasons = report.failures.map(({ provider, reason }) => `${provider}: ${reason}`);
    throw new AppError(`nothing could be listed: ${reasons.join("; ")}`);
  }
  for (const line of table(rowsOf(report))) print(line);
}

const head = ["NAME", "REPLICA", "STATE", "SAMPLES", "WHERE OR WHY NOT"];

function rowsOf({ targets, cache }: ScanReport): string[][] {
  const rows = targets.map(({ target, state, url, reason }) => [
    target.job,
    target.replica,
    state,
    String(cache.get(target.id)?.samples ?? ""),
    [url ?? reason ?? "", ...target.problems].join("; "),
  ]);
  return [head, ...rows.sort((a, b) => (a.join("\0") < b.join("\0") ? -1 : 1))];
}

/** Columns as wide as they need to be, the last one open. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === head.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
