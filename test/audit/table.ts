import type { Row } from "./scenario.js";

/** The largest share of intervals in which a proxy does not scrape its targets, although nothing prevents it. */
const maxUnscraped = 0.02;

/** The largest error of sum(rate()). */
const maxRateError = 0.02;

/**
 * Which samples of a row are not as required, or an empty list. `/federate`: nothing lost, duplicated or wrong, `up`
 * included, and what a node may not serve is left out and reported. http-sd and static: nothing duplicated. Direct
 * scraping is only the comparison.
 */
export function sampleViolations({ style, verdict, up, leftOut }: Row): readonly string[] {
  if (style === "direct") return [];
  const found: string[] = [];
  const kinds = ["lost", "duplicated", "wrong"] as const;
  for (const kind of style === "federate" ? kinds : (["duplicated"] as const))
    if (verdict[kind] > 0) found.push(`${verdict[kind]} ${kind}`);
  for (const kind of kinds) if (up !== undefined && up[kind] > 0) found.push(`${up[kind]} of up ${kind}`);
  if (verdict.expected === 0) found.push("nothing expected");
  if (leftOut === false)
    found.push("the samples of the node whose clock is off are not left out and reported");
  return found;
}

/** The same, and what depends on a machine that is not overloaded: targets are scraped, and sum(rate()) is within 2 %. */
export function violations(row: Row): readonly string[] {
  const { style, rates, unscraped, intervals } = row;
  if (style === "direct") return [];
  const found = [...sampleViolations(row)];
  if (unscraped > maxUnscraped * intervals) found.push(`${unscraped} of ${intervals} intervals not scraped`);
  if (rates !== undefined && rates.compared === 0) found.push("no rates compared");
  if (rates !== undefined && rates.sum > maxRateError) found.push(`sum(rate()) ${percent(rates.sum)} off`);
  return found;
}

const columns: readonly (readonly [title: string, cell: (row: Row) => string])[] = [
  ["fault", ({ fault }) => fault],
  ["style", ({ style }) => style],
  ["server", ({ server }) => server],
  ["expected", ({ verdict }) => String(verdict.expected)],
  ["lost", ({ verdict }) => String(verdict.lost)],
  ["dup", ({ verdict }) => String(verdict.duplicated)],
  ["wrong", ({ verdict }) => String(verdict.wrong)],
  ["late", ({ verdict }) => String(verdict.late)],
  ["latest", ({ verdict }) => `${verdict.latest.toFixed(1)} s`],
  ["identities", ({ verdict }) => String(verdict.identities)],
  ["unscraped", ({ unscraped }) => String(unscraped)],
  ["up", ({ up }) => (up === undefined ? "" : String(up.lost + up.duplicated + up.wrong))],
  ["rate", ({ rates }) => (rates === undefined ? "" : percent(rates.single))],
  ["sum(rate)", ({ rates }) => (rates === undefined ? "" : percent(rates.sum))],
  ["", (row) => violations(row).join("; ")],
];

/** The rows as a table. */
export function formatTable(rows: readonly Row[]): string {
  const lines = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, cell]) => cell(row)))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, index) => cell.padEnd(widths[index]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 2 : 0)} %`;
}
