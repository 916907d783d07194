// Formats the figures for the README.
import { cpus, totalmem } from "node:os";

/** The median of some numbers. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle - 1)]) / 2;
}

/** Describes this machine. */
export function machine() {
  const [{ model }] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores (${model.trim()}), ${memory} GiB, Node ${process.version}`;
}

export const seconds = (value) => `${value.toFixed(2)} s`;
export const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;
export const ratio = (value) => value.toFixed(2);

/** Aligns the columns of a table. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join("  "),
  );
  return lines.map((line) => line.trimEnd()).join("\n");
}
