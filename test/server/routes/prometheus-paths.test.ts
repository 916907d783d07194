import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { prometheusConfig } from "../../../src/cli/prometheus-config.js";
import { describeUnless } from "../../support/describe-unless.js";
import { setUpServer, statusOf } from "../../support/http-server.js";
import { prometheusMissing, prometheusTargets, startPrometheus } from "../../support/prometheus.js";

/** Jobs and replicas as in a targets file. The first is the default name of a target without labels. */
const names = [
  ["127.0.0.1", "127.0.0.1:9100"],
  ["::1", "[::1]:9100"],
  ["my job", "größe & 50%"],
  ["a?b#c", "x+y;z=1"],
  ["team/app", "eu/1"],
  ["a%2Fb", "50%25"],
] as const;

describeUnless(prometheusMissing(), "paths in the configuration of a real Prometheus", () => {
  it("lead to every service of a printed configuration and every replica of /discovery", {
    timeout: 40_000,
  }, async ({ onTestFinished }) => {
    const targets = names.map(([job, replica], id) =>
      statusOf({}, { id: `test:${id}`, names: [job], job, replica }),
    );
    const { put, port } = await setUpServer({ targets });
    for (const [id, [job, replica]] of names.entries()) put({ id: `test:${id}`, names: [job], job, replica });
    const printed = parse(await prometheusConfig([`http://127.0.0.1:${port}`], "static", { interval: 1 }));
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
