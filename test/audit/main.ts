import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  findServers,
  type MetricsServer,
  prometheusVersion,
  type ServerName,
  serverNames,
} from "../support/prometheus-versions.js";
import { faults } from "./faults.js";
import type { Group } from "./group.js";
import { fullTimeline, type Row, runScenario } from "./scenario.js";
import type { Style } from "./server.js";
import { formatTable, violations } from "./table.js";

const allStyles: readonly Style[] = ["federate", "http-sd", "static"];

/** What a child process runs: one fault. */
interface Task {
  readonly fault: string;
  readonly styles: readonly Style[];
  readonly programs: readonly MetricsServer[];
}

if (process.send !== undefined) {
  const { fault: name, ...options } = JSON.parse(process.argv[2]!) as Task;
  const fault = faults.find((one) => one.name === name)!;
  const onGroup = (group: Group) =>
    // The parent has ended.
    process.on("disconnect", () => void group.stop().finally(() => process.exit(1)));
  const rows = await runScenario({ ...options, fault, timeline: fullTimeline, onGroup });
  process.send(rows, () => process.exit(0));
} else {
  process.exitCode = await audit();
}

async function audit(): Promise<number> {
  const { values } = parseArgs({
    options: {
      faults: { type: "string", default: faults.map(({ name }) => name).join() },
      styles: { type: "string", default: allStyles.join() },
      servers: { type: "string", default: serverNames.join() },
      prometheus: { type: "string" },
      parallel: { type: "string", default: String(2 * availableParallelism()) },
      verbose: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
    },
  });
  if (values.list) {
    console.log(faults.map(({ name }) => name).join("\n"));
    return 0;
  }
  const chosen = chooseFrom(
    "--faults",
    values.faults,
    faults.map(({ name }) => name),
  );
  const styles = chooseFrom("--styles", values.styles, allStyles) as Style[];
  const names = chooseFrom("--servers", values.servers, serverNames) as ServerName[];
  const { prometheus } = values;
  const { found, missing } =
    prometheus === undefined
      ? await findServers(names)
      : { found: [await installed(prometheus)], missing: [] };
  for (const { name, reason } of missing) console.error(`skipped: ${name}: ${reason}`);

  const rows = new Map<string, readonly Row[]>();
  const failures: string[] = [];
  const waiting = [...chosen];
  const worker = async () => {
    for (let fault = waiting.shift(); fault !== undefined; fault = waiting.shift()) {
      console.error(`==> ${fault}`);
      try {
        rows.set(fault, await runInChild({ fault, styles, programs: found }));
      } catch (error) {
        failures.push(`${fault}: ${(error as Error).message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: Number(values.parallel) }, worker));

  const sorted = chosen.flatMap((fault) => rows.get(fault) ?? []);
  console.log(formatTable(sorted));
  for (const row of sorted) {
    if (!values.verbose && violations(row).length === 0) continue;
    const examples = [...row.verdict.examples, ...(row.up?.examples ?? []), ...(row.rates?.examples ?? [])];
    for (const example of examples) console.log(`${row.fault}, ${row.style}, ${row.server}: ${example}`);
  }
  for (const failure of failures) console.log(`FAILED: ${failure}`);
  const isMissing = missing.some(({ gone }) => !gone) && process.env["CI"] !== undefined;
  return failures.length > 0 || isMissing || sorted.some((row) => violations(row).length > 0) ? 1 : 0;
}

async function installed(program: string): Promise<MetricsServer> {
  return { name: await prometheusVersion(program), kind: "prometheus", program };
}

function chooseFrom(option: string, text: string, known: readonly string[]): string[] {
  const chosen = text.split(",").map((name) => name.trim());
  for (const name of chosen)
    if (!known.includes(name)) throw new Error(`${option}: ${name} is unknown; known: ${known.join(", ")}`);
  return chosen;
}

/** Runs a fault in its own process, so that no run delays the sources of another. */
function runInChild(task: Task): Promise<readonly Row[]> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(task)]);
    let rows: readonly Row[] | undefined;
    child.once("message", (message) => {
      rows = message as readonly Row[];
    });
    child.once("exit", (code, signal) =>
      rows === undefined ? reject(new Error(`ended with ${code ?? signal}`)) : resolve(rows),
    );
  });
}
