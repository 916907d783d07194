import { join } from "node:path";
import { cwd, exit, stdout } from "node:process";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { type Cost, measure, sourcesOf, tasksFor } from "./measure.js";
import { type Shape, shapes } from "./shapes.js";

/*
 * scripts/fuzz --time [--kilobytes N] [shape…]: measures all tasks with expositions of many shapes, each with N and with
 * 8 N kilobytes. Reported are shapes that take more time per byte when they are larger, or much more than a usual one,
 * and steps that are too long.
 */

/** Limits for the CPU time per byte: compared with an input of an eighth of the size, and with the usual shape. */
const maxGrowth = 2;
const maxTimesUsual = 150;
const maxStepMs = 15;
const factor = 8;
const runs = 3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { kilobytes: { type: "string", default: "250" }, time: { type: "boolean" } },
});
const bytes = 1000 * Number(values.kilobytes);
const { exposition } = await import(pathToFileURL(join(cwd(), "scripts/benchmark/exposition.mjs")).href);
const usual: Shape = {
  format: "text",
  make: (size, _, source) =>
    Array.from({ length: Math.max(1, Math.round(size / 97_000)) }, (_unused, part) =>
      exposition(source, 1).replaceAll('service="shop"', `service="shop${part}"`),
    ).join(""),
};

const costsOf = (shape: Shape, task: string, size: number): Cost =>
  measure(tasksFor(shape.format)[task]!, sourcesOf(shape, size), runs);
const usualCosts = new Map(
  Object.keys(tasksFor("openmetrics")).map((task) => [
    task,
    // Several times, because at first the code is not compiled yet.
    [0, 1, 2, 3].map(() =>
      costsOf({ ...usual }, task in tasksFor("text") ? task : "merge to text", factor * bytes),
    )[3]!,
  ]),
);
let findings = 0;
for (const [task, cost] of usualCosts) report("usual", task, cost, undefined);
for (const [name, shape] of Object.entries(shapes)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  for (const task of Object.keys(tasksFor(shape.format))) {
    const small = costsOf(shape, task, bytes);
    const large = costsOf(shape, task, factor * bytes);
    report(name, task, large, small);
  }
}
stdout.write(`${findings} findings\n`);
exit(findings === 0 ? 0 : 1);

function report(
  shape: string,
  task: string,
  { nsPerByte, longestStepMs }: Cost,
  small: Cost | undefined,
): void {
  const growth = small === undefined ? 1 : nsPerByte / small.nsPerByte;
  const timesUsual = nsPerByte / usualCosts.get(task)!.nsPerByte;
  const found = [
    growth > maxGrowth && "grows",
    timesUsual > maxTimesUsual && "slow",
    longestStepMs > maxStepMs && "long step",
  ].filter((one) => one !== false);
  findings += found.length;
  const columns = [
    shape.padEnd(40),
    task.padEnd(20),
    `${nsPerByte.toFixed(1).padStart(8)} ns/byte`,
    `${timesUsual.toFixed(1).padStart(6)} × usual`,
    `${growth.toFixed(2).padStart(6)} × small`,
    `${longestStepMs.toFixed(1).padStart(8)} ms step`,
  ];
  stdout.write(`${columns.join(" ")}  ${found.join(", ")}\n`);
}
