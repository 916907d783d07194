import { createScanning, type Environment, type Scanning } from "../daemon/scanning.js";
import { AppError } from "../errors.js";

/**
 * Runs one cycle and prints each target with its URL, or the reason why it has no metrics. Nothing is written to disk or
 * published.
 *
 * @throws AppError if no provider could list its targets.
 */
export async function scan(environment: Environment, print: (line: string) => void): Promise<void> {
  const stopping = new AbortController();
  const scanning = await createScanning(environment, stopping.signal);
  await scanning.cycle();
  await scanning.scanner.firstScan;
  stopping.abort();
  scanning.publisher.stop();
  await scanning.scraper.close();
  const providers = scanning.scanner.providerStatuses();
  if (providers.every(({ failing }) => failing !== undefined)) {
    const reasons = providers.map(({ name, failing }) => `${name}: ${failing?.reason}`);
    throw new AppError(`no provider could list its targets: ${reasons.join("; ")}`);
  }
  for (const line of table(rowsOf(scanning))) print(line);
}

const head = ["NAME", "REPLICA", "STATE", "SAMPLES", "URL OR REASON"];

function rowsOf({ scanner, publisher }: Scanning): string[][] {
  const rows = scanner
    .statuses()
    .map(({ target, state, url, reason }) => [
      target.job,
      target.replica,
      state,
      String(publisher.lastScrape(target.id)?.samples ?? ""),
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
