// What replication of a thousand targets takes, as a table.
import { megabytes, ratio, seconds, table } from "./report.mjs";

/** @param figures what measureReplicating found. */
export function tableOfReplicating({ changed, unchanged, count }) {
  const bytes = (value) => (value < 10_000 ? `${Math.round(value)} B` : megabytes(value));
  const row = (what, name, show) => [
    what,
    show(changed[name].median),
    show(changed[name].most),
    ...(unchanged[name] === undefined
      ? ["", ""]
      : [show(unchanged[name].median), show(unchanged[name].most)]),
  ];
  return `1,000 targets of 1,000 series on one of three nodes, replicated to the other two; ${count} cycles in which
all have changed, and ${count} in which none has:

${table([
  ["a cycle", "all changed", "at most", "none changed", "at most"],
  row("from the end of the scan until both have all", "wall", seconds),
  row("CPU of the sender, for both", "senderCpu", seconds),
  row("CPU of a receiver, disk included", "receiverCpu", seconds),
  row("bytes on the wire a peer, both ways", "bytes", bytes),
  row("  / the gzip bytes that changed", "ratio", ratio),
  row("memory of a receiver", "rss", megabytes),
])}`;
}
