import { writeFileSync } from "node:fs";
import { join } from "node:path";
import bcrypt from "bcrypt";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { prometheusConfig } from "../../src/cli/prometheus-config.js";
import { openAccess } from "../../src/config/access.js";
import { freePort } from "../support/free-port.js";
import { setUpServer, statusOf } from "../support/http-server.js";
import { tempFolder } from "../support/temp-folder.js";

async function proxyWith(...jobs: string[]): Promise<string> {
  const targets = jobs.map((job) => statusOf({}, { id: job, job, names: [job] }));
  const idle = statusOf({ state: "no metrics" }, { id: "idle", job: "idle" });
  const { port } = await setUpServer({ targets: [...targets, idle] });
  return `http://127.0.0.1:${port}`;
}

describe("prometheusConfig", () => {
  const times = { scrape_interval: "10s", scrape_timeout: "10s" };

  it("returns a job for each service, with the proxies that know it, and one for the proxies", async () => {
    const one = await proxyWith("shop_web", "db");
    const two = await proxyWith("shop_web");
    const host = (url: string) => new URL(url).host;
    const own = { ...times, params: { own: ["1"], instance: ["always"] }, honor_labels: true };
    expect(parse(await prometheusConfig([one, two], "static"))).toEqual({
      scrape_configs: [
        { job_name: "db", ...own, metrics_path: "/db/metrics", static_configs: [{ targets: [host(one)] }] },
        {
          job_name: "shop_web",
          ...own,
          metrics_path: "/shop_web/metrics",
          static_configs: [{ targets: [host(one), host(two)] }],
        },
        { job_name: "app-metrics-proxy", ...times, static_configs: [{ targets: [host(one), host(two)] }] },
      ],
    });
  });

  it("returns the same targets for a service on whichever node it runs, because it may move", async () => {
    const one = await setUpServer({ targets: [statusOf({}, { id: "db", job: "db", names: ["db"] })] });
    const two = await setUpServer();
    for (const { node } of [one, two]) {
      node("node3").put();
      node("node1").put({ id: "docker:db", job: "db", names: ["db"] });
    }
    const [first, second] = [`127.0.0.1:${one.port}`, `127.0.0.1:${two.port}`];
    const config = await prometheusConfig([`http://${first}`, `http://${second}`], "static");
    expect(parse(config).scrape_configs).toMatchObject([
      { job_name: "db", params: { own: ["1"] }, static_configs: [{ targets: [first, second] }] },
      // No listed proxy scrapes it: with more than one, its replicas would be counted twice.
      { job_name: "shop_web", params: { instance: ["always"] }, static_configs: [{ targets: [first] }] },
      { job_name: "app-metrics-proxy" },
    ]);
    expect(parse(config).scrape_configs[1].params).not.toHaveProperty("own");
  });

  it("returns one job for federate, the default, without requests to the proxies", async () => {
    const config = await prometheusConfig(["https://node1:2137", "https://node2:2137"]);
    expect(parse(config)).toEqual({
      scrape_configs: [
        {
          job_name: "federate",
          ...times,
          metrics_path: "/federate",
          params: { history: ["30"] },
          honor_labels: true,
          honor_timestamps: true,
          scheme: "https",
          static_configs: [{ targets: ["node1:2137", "node2:2137"] }],
        },
        {
          job_name: "app-metrics-proxy",
          ...times,
          scheme: "https",
          static_configs: [{ targets: ["node1:2137", "node2:2137"] }],
        },
      ],
    });
  });

  it("returns one job for http-sd, whose series stay the same if a replica moves", async () => {
    const { scrape_configs: jobs } = parse(await prometheusConfig(["http://node1:2137"], "http-sd"));
    expect(jobs[0]).toMatchObject({ ...times, http_sd_configs: [{ url: "http://node1:2137/discovery" }] });
    expect(jobs[0].relabel_configs.map((rule: { target_label: string }) => rule.target_label)).toEqual([
      "job",
      "instance",
    ]);
  });

  it.each([
    [1, "1s", "1s", "3"],
    [60, "60s", "10s", "180"],
  ])("uses the interval of the proxies: %i s", async (interval, scrape_interval, scrape_timeout, history) => {
    const config = parse(await prometheusConfig(["http://node1:2137"], "federate", { interval }));
    expect(config.scrape_configs).toMatchObject([
      { scrape_interval, scrape_timeout, params: { history: [history] } },
      { scrape_interval, scrape_timeout },
    ]);
  });

  it("states in comments what must not change, and what VictoriaMetrics needs", async () => {
    const url = await proxyWith("web");
    for (const style of ["federate", "static", "http-sd"] as const) {
      const config = await prometheusConfig([url], style);
      expect(config).toMatch(/^# Must not change: /m);
      expect(config).toMatch(/^# scrape_interval: /m);
      for (const line of config.split("\n")) expect(line).not.toMatch(/\s$|^.{125}/);
    }
    expect(await prometheusConfig([url], "federate")).toMatch(/HISTORY=600 .*history: \["600"\]/);
    const config = await prometheusConfig([url], "federate", { reader: "victoriametrics" });
    expect(config).toContain("-dedup.minScrapeInterval=1ms");
    expect(config).not.toContain("track_timestamps_staleness");
    // Otherwise, a proxy that fails ends the series of all nodes.
    expect(parse(config).scrape_configs[0]).toMatchObject({ job_name: "federate", no_stale_markers: true });
    expect(await prometheusConfig([url], "federate")).not.toContain("no_stale_markers:");
  });

  it.each([
    ["node1:2137", /must be http/],
    ["ftp://node1", /must be http/],
    ["http://node1/metrics", /must be http/],
    ["http://user:secret@node1", /must not contain a user/],
  ])("rejects --url %s", async (url, reason) => {
    await expect(prometheusConfig([url], "federate")).rejects.toThrow(reason);
  });

  it("fails if a proxy does not respond", async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    await expect(prometheusConfig([url], "static")).rejects.toThrow(`cannot list the services of ${url}`);
  });
});

describe("prometheusConfig with credentials", () => {
  it("authenticates, and includes the paths of the secrets wherever Prometheus needs them", async () => {
    const { port } = await setUpServer({
      targets: [statusOf({}, { job: "shop_web" })],
      access: { ...openAccess, users: new Map([["prometheus", bcrypt.hashSync("secret", 4)]]) },
    });
    const url = `http://127.0.0.1:${port}`;
    const passwordFile = join(tempFolder(), "password");
    writeFileSync(passwordFile, "secret\n");
    const credentials = { username: "prometheus", passwordFile };
    const basicAuth = { basic_auth: { username: "prometheus", password_file: passwordFile } };
    const { scrape_configs: jobs } = parse(await prometheusConfig([url], "static", credentials));
    expect(jobs).toMatchObject([{ job_name: "shop_web", ...basicAuth }, basicAuth]);
    const { scrape_configs: found } = parse(await prometheusConfig([url], "http-sd", credentials));
    expect(found[0]).toMatchObject({ ...basicAuth, http_sd_configs: [basicAuth] });
    await expect(prometheusConfig([url], "static")).rejects.toMatchObject({
      cause: { message: expect.stringContaining("status 401") },
    });
  });

  it("includes the files of token and certificates", async () => {
    const credentials = { bearerTokenFile: "/t", caFile: "/ca", certFile: "/c", keyFile: "/k" };
    const { scrape_configs: jobs } = parse(
      await prometheusConfig(["https://node1:2137"], "federate", credentials),
    );
    for (const job of jobs) {
      expect(job).toMatchObject({
        authorization: { credentials_file: "/t" },
        tls_config: { ca_file: "/ca", cert_file: "/c", key_file: "/k" },
      });
    }
  });

  it.each([
    [{ username: "a" }, /require each other/],
    [{ certFile: "a" }, /require each other/],
    [{ username: "a", passwordFile: "b", bearerTokenFile: "c" }, /exclude each other/],
  ])("rejects %j", async (credentials, reason) => {
    await expect(prometheusConfig(["http://node1:2137"], "federate", credentials)).rejects.toThrow(reason);
  });
});
