import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { prometheusConfig } from "../../../src/cli/prometheus-config.js";
import { describeUnless } from "../../support/describe-unless.js";
import { setUpServer, statusOf } from "../../support/http-server.js";
import { prometheusMissing, prometheusTargets, startPrometheus } from "../../support/prometheus.js";

/** Job and replica as a targets file may name them; the first is what a target is called without labels. */
const names = [
  ["127.0.0.1", "127.0.0.1:9100"],
  ["::1", "[::1]:9100"],
  ["my job", "größe & 50%"],
  ["a?b#c", "x+y;z=1"],
  ["team/app", "eu/1"],
  ["a%2Fb", "50%25"],
] as const;

describeUnless(prometheusMissing(), "paths that a real Prometheus is told", () => {
  it("lead to each service of a printed configuration, and each replica of /discovery", {
    timeout: 40_000,
  }, async ({ onTestFinished }) => {
    const targets = names.map(([job, replica], id) =>
      statusOf({}, { id: `test:${id}`, names: [job], job, replica }),
    );
    const { put, port } = await setUpServer({ targets });
    for (const [id, [job, replica]] of names.entries()) put({ id: `test:${id}`, names: [job], job, replica });
    const printed = parse(await prometheusConfig([`http://127.0.0.1:${port}`], "static"));
    const prometheus = await startPrometheus({
      config: {
        global: { scrape_interval: "1s", scrape_timeout: "1s" },
        scrape_configs: [
          ...printed.scrape_configs,
          { job_name: "all", http_sd_configs: [{ url: `http://127.0.0.1:${port}/discovery` }] },
        ],
      },
    });
    onTestFinished(() => prometheus.stop());
    const count = printed.scrape_configs.length + names.length;
    let found = await prometheusTargets(prometheus);
    while (found.length < count || found.some(({ health }) => health === "unknown")) {
      await sleep(250);
      found = await prometheusTargets(prometheus);
    }
    const failing = found.filter(({ health }) => health !== "up");
    expect(failing.map(({ scrapeUrl, lastError }) => [scrapeUrl, lastError])).toEqual([]);
  });
});
