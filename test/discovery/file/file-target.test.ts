import { describe, expect, it } from "vitest";
import { targetsOf } from "../../../src/discovery/file/file-target.js";

function target(written: string, labels: Record<string, string> = {}) {
  const [only] = targetsOf({ targets: [written], labels }, { metricsPath: "/metrics", node: "node1" });
  if (only === undefined) throw new Error("no target");
  return only;
}

describe("targetsOf", () => {
  it("names a target by job and instance, and keeps its other labels", () => {
    expect(target("db:9100", { job: "node", instance: "db-1", env: "prod", __meta_x: "y" })).toEqual({
      id: "file:node:db-1:http://db:9100/metrics",
      provider: "file",
      title: "db:9100",
      names: ["node"],
      job: "node",
      replica: "db-1",
      scope: "local",
      labels: { env: "prod" },
      fetch: { kind: "http", urls: ["http://db:9100/metrics"] },
      expected: true,
      startedAt: 0,
      problems: [],
    });
  });

  it("names a target by host, and host and port, by default", () => {
    expect(target("db:9100")).toMatchObject({ names: ["db"], job: "db", replica: "db:9100" });
    expect(target("db", { job: "" })).toMatchObject({ job: "db", replica: "db:80" });
    expect(target("[fd00::1]:9100")).toMatchObject({ job: "fd00::1", replica: "[fd00::1]:9100" });
  });

  it.each([
    "127.0.0.1:9100",
    "127.9.9.9:9100",
    "localhost:9100",
    "LOCALHOST.:9100",
    "db.localhost:9100",
    "[::1]:9100",
    "[::ffff:127.0.0.1]:9100",
  ])("names %s after the node, because every node has this address", (written) => {
    expect(target(written, { job: "node" })).toMatchObject({ job: "node", replica: "node1:9100" });
    expect(target(written, { job: "node", instance: written }).replica).toBe(written);
  });

  it.each(["128.0.0.1:9100", "localhost.example.org:9100", "notlocalhost:9100", "[::2]:9100"])(
    "names %s after its host",
    (written) => expect(target(written).replica).toBe(written),
  );

  it("accepts slashes in job and instance", () => {
    const { job, replica, problems } = target("db", { job: "team/db", instance: "http://db/" });
    expect([job, replica, problems]).toEqual(["team/db", "http://db/", []]);
  });

  it.each([
    ["db", {}, "http://db/metrics"],
    ["db", { __scheme__: "https" }, "https://db/metrics"],
    ["db:443", { __scheme__: "https" }, "https://db/metrics"],
    ["[::1]", {}, "http://[::1]/metrics"],
    ["db:9", { __metrics_path__: "/probe" }, "http://db:9/probe"],
    ["db:9", { __metrics_path__: "probe" }, "http://db:9/probe"],
    ["db:9", { __metrics_path__: "//evil/x" }, "http://db:9//evil/x"],
    ["db:9", { __param_target: "a b&c", __param_module: "m" }, "http://db:9/metrics?target=a+b%26c&module=m"],
  ])("scrapes %s with %j at %s", (written, labels, url) => {
    expect(target(written, labels as Record<string, string>).fetch).toEqual({ kind: "http", urls: [url] });
  });

  it("scrapes with the credentials that __auth__ names", () => {
    const { fetch, labels } = target("db:9", { __auth__: "team" });
    expect([fetch, labels]).toEqual([{ kind: "http", urls: ["http://db:9/metrics"], auth: "team" }, {}]);
  });

  it.each([
    ["http://db:9100/metrics", {}],
    ["::1", {}],
    ["db:99999", {}],
    ["db:", {}],
    ["user@db", {}],
    ["db", { __scheme__: "ftp" }],
    ["db", { __metrics_path__: "/a\nb" }],
  ])("reports why %s with %j is unreachable", (written, labels) => {
    const { fetch } = target(written, labels as Record<string, string>);
    expect(fetch).toMatchObject({ kind: "none", state: "unreachable" });
    expect(fetch.kind === "none" && fetch.reason).toMatch(/^(target|label)/);
  });

  it("reports a host that is not a valid name, and uses another name", () => {
    const long = "a".repeat(201);
    const { job, replica, problems } = target(long);
    expect([job, replica]).toEqual(["target", "target"]);
    expect(problems[0]).toMatch(/^"a+…" cannot be one segment of a path/);
    expect(target("..", { job: "x", instance: "y" })).toMatchObject({ job: "x", replica: "y", problems: [] });
  });

  it("reports and ignores invalid labels", () => {
    const { job, labels, problems } = target("db", { job: "..", "a-b": "1", ok_1: "2" });
    expect(job).toBe("db");
    expect(labels).toEqual({ ok_1: "2" });
    expect(problems).toEqual([
      'label job=".." ignored: cannot be one segment of a path',
      'label "a-b" ignored: not a valid label name',
    ]);
  });
});
