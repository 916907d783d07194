import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, it } from "vitest";
import type { Fault } from "../audit/faults.js";
import { type Row, runScenario } from "../audit/scenario.js";
import { formatTable, sampleViolations } from "../audit/table.js";
import { describeUnless } from "../support/describe-unless.js";
import { isOnPath } from "../support/program.js";
import { findServers, serverNames } from "../support/prometheus-versions.js";

const second = 1000;

/** Several faults in one run: a wrong clock, a node that is killed, and a Prometheus that is down. */
const fault: Fault = {
  name: "clock +8 s, kill -9 7 s, Prometheus down 8 s",
  clock: { faketime: "+8s", seconds: 8 },
  history: 20,
  seconds: 7,
  async run({ a, servers, outage, serverOutage }, milliseconds) {
    await outage("node a", async () => {
      await a.kill();
      await sleep(milliseconds);
      await a.start();
    });
    await sleep(6 * second);
    await serverOutage(async () => {
      await Promise.all(servers.map((server) => server.stop()));
      await sleep(8 * second);
      await Promise.all(servers.map((server) => server.start()));
    });
  },
};

const timeline = { before: 8, after: 15, range: 10 };

const { found, missing } = await findServers(serverNames);
const absent = missing.find(({ gone }) => !gone);
const reason = isOnPath("faketime")
  ? absent && `${absent.name}: ${absent.reason}`
  : "not installed: faketime";

describeUnless(reason, "what is stored through the proxies, compared with direct scraping", () => {
  let rows: readonly Row[] = [];
  beforeAll(async () => {
    rows = await runScenario({ fault, styles: ["federate", "http-sd", "static"], programs: found, timeline });
    console.log(formatTable(rows));
  });

  for (const { name, reason } of missing) it.skip(`by ${name} (skipped: ${reason})`, () => undefined);

  it.each(found.map(({ name }) => name))("is complete and correct in %s", (name) => {
    const stored = rows.filter(({ server, style }) => server === name && style !== "direct");
    expect(stored.length).toBeGreaterThan(0);
    for (const row of stored) {
      const examples = [...row.verdict.examples, ...(row.up?.examples ?? [])].join("\n");
      expect(sampleViolations(row), `${row.style}\n${examples}`).toEqual([]);
    }
  });
});
