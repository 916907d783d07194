import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv, exit, stdout } from "node:process";
import { parseArgs } from "node:util";
import { campaign, type Report } from "./campaign.js";
import { corpusFiles } from "./corpus.js";

/*
 * scripts/fuzz [--seed N] [seconds] [subject…]: fuzzes each subject for so many seconds, one after the other. What
 * fails is printed as short as it could be made, and kept in the folder that FUZZ_FOLDER names.
 */

const { values, positionals } = parseArgs({
  args: argv.slice(2),
  allowPositionals: true,
  options: { seed: { type: "string" } },
});
const subjects = join(import.meta.dirname, "subjects");
const known = readdirSync(subjects)
  .filter((file) => file.endsWith(".js"))
  .map((file) => file.slice(0, -3));
const [seconds, named] = /^\d+$/.test(positionals[0] ?? "")
  ? [Number(positionals[0]), positionals.slice(1)]
  : [60, positionals];
const unknown = named.find((name) => !known.includes(name));
if (unknown !== undefined) {
  stdout.write(`no subject ${unknown}; there is ${known.join(", ")}\n`);
  exit(2);
}
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const folder = process.env["FUZZ_FOLDER"] ?? "fuzz";

let failures = 0;
for (const name of named.length === 0 ? known : named) {
  const evolved = join(folder, "corpus", name);
  mkdirSync(evolved, { recursive: true });
  stdout.write(`${name}: ${seconds} s with --seed ${seed}\n`);
  const report = await campaign({
    file: join(subjects, `${name}.js`),
    seed,
    milliseconds: seconds * 1000,
    corpus: [...corpusFiles(name).map(({ input }) => input), ...filesIn(evolved)],
    onFailure: ({ text }) => stdout.write(`  found: ${text.slice(0, 200)}\n`),
    onInteresting: (input) => writeFileSync(join(evolved, fileName(input)), input),
  });
  tell(name, report);
  failures += report.failures.length;
}
exit(failures === 0 ? 0 : 1);

function tell(name: string, { executions, corpus, blocks, slowest, failures: found, memory }: Report): void {
  const slow = `slowest ${Math.round(slowest.milliseconds)} ms for ${slowest.bytes} bytes`;
  stdout.write(
    `${name}: ${executions} executions, ${corpus} inputs that reach ${blocks} blocks, ${slow}, ` +
      `${Math.round(memory / 2 ** 20)} MiB, ${found.length} failures\n`,
  );
  const failed = join(folder, "failures", name);
  if (found.length > 0) mkdirSync(failed, { recursive: true });
  for (const { fault, input, times, alone } of found) {
    const file = join(failed, fileName(input));
    writeFileSync(file, input);
    stdout.write(
      `  ${fault.kind} (${times} times${alone ? "" : ", not by itself"})\n    ${fault.text.slice(0, 1000)}\n    ${file}\n`,
    );
    stdout.write(`    ${JSON.stringify(input.toString("latin1")).slice(0, 1000)}\n`);
  }
}

function fileName(input: Buffer): string {
  return createHash("sha256").update(input).digest("hex").slice(0, 12);
}

function filesIn(path: string): Buffer[] {
  return readdirSync(path).map((file) => readFileSync(join(path, file)));
}
