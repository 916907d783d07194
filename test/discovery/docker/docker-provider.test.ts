import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createDockerClient } from "../../../src/discovery/docker/client.js";
import { EngineApi } from "../../../src/discovery/docker/engine-api.js";
import { createDockerProvider, type DockerProviderOptions } from "../../../src/discovery/docker/provider.js";
import { DiscoveryError, describeError } from "../../../src/errors.js";
import { type Logger, silentLogger } from "../../../src/logging.js";
import { Changes, describeProvider } from "../provider-suite.js";
import { FakeEngine, idOf, network } from "./fake-engine.js";

const onHost = { mountinfo: "", routes: "", hostname: "vm" };
const quick = { retryFirst: 10, retryMost: 100 };

function providerOf(engine: FakeEngine, changes: Partial<DockerProviderOptions> = {}, timeoutMs = 2000) {
  const client = createDockerClient({ host: `unix://${engine.socketPath}`, tlsVerify: false });
  return createDockerProvider({
    engine: new EngineApi(client, timeoutMs),
    ports: [80, 8080, 9100],
    metricsPath: "/metrics",
    listen: { port: 2137 },
    logger: silentLogger,
    timings: quick,
    machine: onHost,
    ...changes,
  });
}

describeProvider("the Docker provider", async () => {
  const engine = await FakeEngine.start();
  return {
    provider: providerOf(engine),
    add: async (name) => engine.run(name),
    remove: async (name) => engine.stop(name),
    breakSource: () => engine.down(),
    repairSource: () => engine.up(),
    close: () => engine.close(),
  };
});

describe("the Docker provider", () => {
  let engine: FakeEngine;
  let stop: AbortController;
  beforeEach(async () => {
    engine = await FakeEngine.start();
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await engine.close();
  });

  it("makes a target of a container, with its candidate ports in order", async () => {
    engine.run("web", { Labels: { team: "a" } });
    expect(await providerOf(engine).list(stop.signal)).toEqual([
      {
        id: `docker:${idOf("web")}`,
        provider: "docker",
        title: "web",
        image: "bb:latest",
        names: ["web"],
        job: "web",
        replica: "vm",
        scope: "local",
        labels: { team: "a" },
        fetch: {
          kind: "http",
          urls: [
            "http://172.17.0.2/metrics",
            "http://172.17.0.2:8080/metrics",
            "http://172.17.0.2:9100/metrics",
          ],
        },
        expected: false,
        startedAt: 1_795_217_598_000,
        problems: [],
      },
    ]);
  });

  it("applies the labels, and reports invalid ones", async () => {
    engine.run("web", {
      Labels: {
        "metrics.port": "9000",
        "metrics.path": "stats?all=1",
        "metrics.scheme": "https",
        "metrics.name": "shop",
        "metrics.enable": "maybe",
      },
    });
    const [target] = await providerOf(engine).list(stop.signal);
    expect(target?.fetch).toEqual({ kind: "http", urls: ["https://172.17.0.2:9000/stats?all=1"] });
    expect(target?.names).toEqual(["shop"]);
    expect(target?.expected).toBe(true);
    expect(target?.problems).toEqual(['label metrics.enable="maybe" ignored: must be true or false']);
  });

  it("reports a disabled container", async () => {
    engine.run("web", { Labels: { "prometheus.io/scrape": "false" } });
    const [target] = await providerOf(engine).list(stop.signal);
    expect(target?.fetch).toEqual({
      kind: "none",
      state: "disabled",
      reason: "label prometheus.io/scrape=false",
    });
  });

  it("omits its own container, and uses the network shared with each container", async () => {
    const netB = network("netB", "172.18.0.2");
    engine.run("proxy");
    engine.run("web", { NetworkSettings: { Networks: { netA: network("netA", "172.17.0.3"), netB } } });
    engine.run("db", { NetworkSettings: { Networks: { netB } } });
    const machine = {
      ...onHost,
      mountinfo: `90 72 254:0 /var/lib/docker/containers/${idOf("proxy")}/hostname /etc/hostname rw - ext4 /dev/vda rw`,
    };
    const targets = await providerOf(engine, { machine }).list(stop.signal);
    expect(
      targets.map(({ title, fetch }) => [title, fetch.kind === "http" ? fetch.urls[0] : fetch.reason]),
    ).toEqual([
      ["db", "no shared network (networks: netB)"],
      ["web", "http://172.17.0.3/metrics"],
    ]);
    expect(engine.requests.some((path) => path.startsWith("/networks"))).toBe(false);
  });

  it("lists a thousand containers with one request", async () => {
    for (let index = 0; index < 1000; index++) engine.run(`c${index}`);
    const provider = providerOf(engine);
    await provider.list(stop.signal);
    engine.requests.length = 0;
    expect(await provider.list(stop.signal)).toHaveLength(1000);
    expect(engine.requests).toEqual(["/containers/json"]);
  });

  it("omits paused and restarting containers", async () => {
    engine.run("paused", { State: "paused" });
    engine.run("restarting", { State: "restarting" });
    engine.run("running");
    const targets = await providerOf(engine).list(stop.signal);
    expect(targets.map(({ title }) => title)).toEqual(["running"]);
  });

  it("learns from events when a container restarted", async () => {
    engine.run("web");
    const provider = providerOf(engine);
    const changes = new Changes();
    const watching = provider.watch(changes.take, stop.signal);
    await changes.settled();
    engine.event("container", "start", idOf("web"));
    await changes.next((change) => change.kind === "started" && change.id === `docker:${idOf("web")}`);
    const [target] = await provider.list(stop.signal);
    expect(target?.startedAt).toBe(1_795_217_598_909);
    stop.abort();
    await watching;
  });

  it("reports start and unpause as started, die and pause as stopped, other events as changed", async () => {
    const changes = new Changes();
    const watching = providerOf(engine).watch(changes.take, stop.signal);
    await changes.settled();
    for (const action of ["start", "pause", "unpause", "die", "rename"]) {
      engine.event("container", action, "ab");
    }
    engine.event("network", "connect", "cd");
    await expect.poll(() => changes.all.length).toBe(7);
    const id = "docker:ab";
    expect(changes.all).toEqual([
      { kind: "changed" },
      { kind: "started", id },
      { kind: "stopped", id },
      { kind: "started", id },
      { kind: "stopped", id },
      { kind: "changed" },
      { kind: "changed" },
    ]);
    stop.abort();
    await watching;
  });

  it("resumes an interrupted stream just after the last event", async () => {
    const changes = new Changes();
    const watching = providerOf(engine).watch(changes.take, stop.signal);
    await changes.settled();
    engine.event("container", "start", "ab");
    await changes.next((change) => change.kind === "started");
    engine.cutStreams();
    await changes.next((change) => change.kind === "changed");
    const [first, second] = engine.requests.filter((path) => path.startsWith("/events"));
    const query = (path = "") => new URL(path, "http://engine").searchParams;
    expect(query(first).has("since")).toBe(false);
    expect(query(second).get("since")).toBe("1795217598.907191");
    expect(JSON.parse(query(second).get("filters") ?? "")).toEqual({
      type: ["container", "network"],
      event: ["start", "die", "pause", "unpause", "rename", "connect", "disconnect"],
    });
    stop.abort();
    await watching;
  });

  it("reports a change for a line that is invalid or too long, and continues", async () => {
    const changes = new Changes();
    const watching = providerOf(engine).watch(changes.take, stop.signal);
    await changes.settled();
    engine.write("rubbish\n");
    engine.write(`${"x".repeat(2 * 1024 * 1024)}\n`);
    engine.event("container", "start", "ab");
    await expect
      .poll(() => changes.all.slice(1))
      .toEqual([{ kind: "changed" }, { kind: "changed" }, { kind: "started", id: "docker:ab" }]);
    expect(engine.requests.filter((path) => path.startsWith("/events"))).toHaveLength(1);
    stop.abort();
    await watching;
  });

  it("reopens the stream regularly", async () => {
    const watching = providerOf(engine, { timings: { ...quick, renewAfter: 50 } }).watch(
      () => {},
      stop.signal,
    );
    await expect.poll(() => engine.requests.length).toBeGreaterThan(2);
    expect(engine.openStreams).toBeLessThan(2);
    stop.abort();
    await watching;
  });

  it("retries with backoff while the engine is unreachable, and logs it only at debug level", async () => {
    const log = new LogLines();
    await engine.down();
    const watching = providerOf(engine, { logger: log, timings: { retryFirst: 20, retryMost: 1000 } }).watch(
      () => {},
      stop.signal,
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    // After 0, 20, 60, 140, 300 ms.
    expect(log.lines.length).toBeGreaterThanOrEqual(3);
    expect(log.lines.length).toBeLessThanOrEqual(5);
    expect(log.lines.every((line) => line.startsWith("debug"))).toBe(true);
    stop.abort();
    await watching;
  });

  it("warns once if the engine refuses the stream", async () => {
    const log = new LogLines();
    engine.responses.set("/events", (response) => response.writeHead(403).end("forbidden"));
    const watching = providerOf(engine, { logger: log }).watch(() => {}, stop.signal);
    await expect.poll(() => engine.requests.length).toBeGreaterThan(3);
    expect(log.lines.filter((line) => line.startsWith("warn"))).toHaveLength(1);
    stop.abort();
    await watching;
  });

  it("times out if the engine does not respond, when listing and when watching", async () => {
    for (const path of ["/info", "/containers/json", "/events"]) engine.responses.set(path, () => {});
    const provider = providerOf(engine, { timings: { ...quick, response: 50 } }, 100);
    await expect(provider.list(stop.signal)).rejects.toThrow(DiscoveryError);
    engine.responses.delete("/info");
    await expect(provider.list(stop.signal).catch(describeError)).resolves.toMatch(
      /^the Docker engine at unix:\/\/.* did not list its containers: no response within 0.1 s$/,
    );
    engine.requests.length = 0;
    const watching = provider.watch(() => {}, stop.signal);
    await expect.poll(() => engine.requests.length).toBeGreaterThan(2);
    stop.abort();
    await watching;
  });

  it("times out if the engine stops in the middle of a response", async () => {
    engine.responses.set("/containers/json", (response) => response.write('[{"Id":'));
    const provider = providerOf(engine, {}, 100);
    await expect(provider.list(stop.signal)).rejects.toThrow(DiscoveryError);
    const running = providerOf(engine, {}, 60_000).list(stop.signal);
    setTimeout(() => stop.abort(), 50);
    await expect(running).rejects.toThrow(DiscoveryError);
  });

  it.each([
    ["an error", (engine: FakeEngine) => respond(engine, 500, '{"message":"boom"}'), /HTTP code 500.*boom/],
    [
      "something else than JSON",
      (engine: FakeEngine) => respond(engine, 200, "<html>"),
      /unexpected response/,
    ],
    ["something else than a list", (engine: FakeEngine) => respond(engine, 200, "{}"), /unexpected response/],
    ["nothing", (engine: FakeEngine) => respond(engine, 200, ""), /unexpected response/],
    ["odd entries", (engine: FakeEngine) => respond(engine, 200, '[{"Id":7}]'), /unexpected response.*Id/],
  ])("fails with the reason if the response is %s", async (_, prepare, reason) => {
    prepare(engine);
    const error = await providerOf(engine)
      .list(stop.signal)
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DiscoveryError);
    expect(describeError(error)).toMatch(reason);
  });

  it("lists containers without the drivers of the networks", async () => {
    engine.responses.set("/networks", (response) => response.writeHead(403).end("forbidden"));
    engine.run("web");
    expect(await providerOf(engine).list(stop.signal)).toHaveLength(1);
  });
});

function respond(engine: FakeEngine, status: number, body: string): void {
  engine.responses.set("/containers/json", (response) => response.writeHead(status).end(body));
}

class LogLines implements Logger {
  readonly lines: string[] = [];
  readonly error = (message: string) => void this.lines.push(`error ${message}`);
  readonly warn = (message: string) => void this.lines.push(`warn ${message}`);
  readonly info = (message: string) => void this.lines.push(`info ${message}`);
  readonly debug = (message: string) => void this.lines.push(`debug ${message}`);
}
