// The cost of replication by the size of the swarm, as a table and as a plot.
import { managers, targetsEach } from "./growing.mjs";
import { plot } from "./plot.mjs";
import { megabytes, table } from "./report.mjs";

const [blue, green] = ["#3f6fa3", "#1f7a4d"];
const lines = [
  { role: "manager", replicateTo: "all", name: "manager, REPLICATE_TO=all", color: blue },
  { role: "worker", replicateTo: "all", name: "worker, REPLICATE_TO=all", color: green },
  {
    role: "manager",
    replicateTo: "managers",
    name: "manager, REPLICATE_TO=managers",
    color: blue,
    dashed: true,
  },
  {
    role: "worker",
    replicateTo: "managers",
    name: "worker, REPLICATE_TO=managers",
    color: green,
    dashed: true,
  },
];

/** @param rows the result of measureGrowth. @returns an SVG. */
export function drawGrowth(rows) {
  const of = (value) =>
    lines.map(({ role, replicateTo }) =>
      rows
        .filter((row) => row.replicateTo === replicateTo && row[role] !== undefined)
        .map((row) => [row.size, value(row[role])]),
    );
  return plot({
    title: `CPU time and bytes per node and cycle, by number of nodes with ${targetsEach} targets each`,
    series: lines,
    xTitle: "nodes",
    panels: [
      { title: "CPU per node and cycle, ms", lines: of(({ cpu }) => cpu * 1000) },
      {
        title: "Bytes on the wire per node and cycle, in and out, MB",
        lines: of((node) => (node.in + node.out) / 1e6),
      },
    ],
  });
}

/** @param rows the result of measureGrowth. */
export function tableOfGrowth(rows) {
  const milliseconds = (value) => `${Math.round(value * 1000)} ms`;
  const mega = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
  const cells = (node) =>
    node === undefined
      ? ["", "", "", ""]
      : [milliseconds(node.cpu), mega(node.in), mega(node.out), megabytes(node.rss)];
  return table([
    [
      "REPLICATE_TO, nodes",
      "manager: CPU",
      "in",
      "out",
      "memory",
      "worker: CPU",
      "in",
      "out",
      "memory",
      "complete after",
      "unchanged, per peer",
    ],
    ...rows.map(({ replicateTo, size, manager, worker, wall, unchangedBytes }) => [
      `${replicateTo}, ${size} (${managers} managers)`,
      ...cells(manager),
      ...cells(worker),
      `${wall.toFixed(1)} s`,
      `${Math.round(unchangedBytes)} B`,
    ]),
  ]);
}
