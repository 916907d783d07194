// The cost of replicating a thousand targets, as a table.
import { megabytes, ratio, seconds, table } from "./report.mjs";

/** @param figures the result of measureReplicating. */
export function tableOfReplicating({ changed, unchanged, count }) {
  const bytes = (value) => (value < 100_000 ? `${Math.round(value)} B` : megabytes(value));
  const row = (what, name, show) => [
    what,
    show(changed[name].median),
    show(changed[name].most),
    ...(unchanged[name] === undefined
      ? ["", ""]
      : [show(unchanged[name].median), show(unchanged[name].most)]),
  ];
  return `1,000 targets of 1,000 series on one of three nodes, replicated to the other two; ${count} cycles in which
all scrapes change, and ${count} in which none does:

${table([
  ["a cycle", "all changed", "maximum", "none changed", "maximum"],
  row("from the end of the scan until both nodes have everything", "wall", seconds),
  row("CPU of the sender, for both", "senderCpu", seconds),
  row("CPU of a receiver, including the disk", "receiverCpu", seconds),
  row("bytes on the wire per peer, both directions", "bytes", bytes),
  row("  / the gzip bytes that changed", "ratio", ratio),
  row("memory of a receiver", "rss", megabytes),
])}`;
}
