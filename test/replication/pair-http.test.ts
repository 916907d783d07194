import { writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Daemon } from "../../src/daemon/daemon.js";
import { recordingLogger } from "../support/daemon.js";
import { promtoolFault } from "../support/promtool.js";
import { answerWith, startTarget } from "../support/target-server.js";
import { tempFolder } from "../support/temp-folder.js";
import { freePorts, get, startWhole } from "./daemons.js";

/** Two complete proxies with each other in PEERS, and one target each: `one` and `two`. */
async function startPair() {
  const folder = tempFolder();
  /** What the targets respond. */
  const answers = { one: "one 1\n", two: "two 1\n" };
  const targets = [
    await startTarget((...exchange) => answerWith(answers.one)(...exchange)),
    await startTarget((...exchange) => answerWith(answers.two)(...exchange)),
  ];
  const [httpOne, httpTwo, sshOne, sshTwo] = (await freePorts(4)) as [number, number, number, number];
  const settings = (name: string, http: number, ssh: number) => ({
    SSHPASS: "a long enough secret",
    PEERS: `127.0.0.1:${sshOne},127.0.0.1:${sshTwo}`,
    LISTEN_ADDRESS: `127.0.0.1:${http}`,
    SSH_LISTEN_ADDRESS: `127.0.0.1:${ssh}`,
    ADVERTISE_ADDRESS: `${name}.example.org:2137`,
  });
  const one = await startWhole(folder, "one", targets[0]!.port, settings("one", httpOne, sshOne));
  const two = await startWhole(folder, "two", targets[1]!.port, settings("two", httpTwo, sshTwo));
  const origin = (port: number) => `${hostname()}@127.0.0.1:${port}`;
  await expect.poll(() => get(one, "/two/metrics"), { timeout: 20_000 }).toBe("200 two 1\n");
  await expect.poll(() => get(two, "/one/metrics"), { timeout: 20_000 }).toBe("200 one 1\n");
  // The first one to start retries later.
  for (const proxy of [one, two]) {
    await expect.poll(() => get(proxy, "/-/ready"), { timeout: 20_000 }).toBe("200 ready\n");
    await expect
      .poll(() => get(proxy, "/metrics"), { timeout: 20_000 })
      .toContain('app_metrics_proxy_peers{state="connected"} 1');
  }
  return { one, two, answers, originOne: origin(httpOne), originTwo: origin(httpTwo) };
}

const json = async ({ port }: Pick<Daemon, "port">, path: string) =>
  (await fetch(`http://127.0.0.1:${port}${path}`)).json();
const sortedLines = async (daemon: Daemon, path: string) => (await get(daemon, path)).split("\n").sort();

describe("a pair of proxies over HTTP", () => {
  it("serves a response without samples on both nodes instead of the old samples", {
    timeout: 60_000,
  }, async () => {
    const { one, two, originOne, answers } = await startPair();
    answers.one = "";
    await expect.poll(() => get(two, "/one/metrics"), { timeout: 20_000 }).toBe("200 ");
    expect(await get(one, "/one/metrics")).toBe("200 ");
    const federated = await get(two, "/federate");
    expect(federated).not.toMatch(/^one[ {]/m);
    expect(federated).toMatch(/^up\{job="one",[^\n]*\} 1 \d+$/m);
    expect(federated).toMatch(/^scrape_samples_scraped\{job="one",[^\n]*\} 0 \d+$/m);
    expect(await json(two, "/targets")).toMatchObject({
      targets: expect.arrayContaining([
        expect.objectContaining({ node: originOne, job: "one", state: "up" }),
      ]),
    });
    answers.one = "one 2\n";
    await expect.poll(() => get(two, "/one/metrics"), { timeout: 20_000 }).toBe("200 one 2\n");
  });

  it("federates the same series with the same times, and finds the same targets", {
    timeout: 60_000,
  }, async () => {
    const { one, two, originOne, originTwo } = await startPair();
    // Between two scrape cycles both hold the same.
    await expect
      .poll(
        async () => {
          const [here, there] = await Promise.all([
            sortedLines(one, "/federate"),
            sortedLines(two, "/federate"),
          ]);
          const samples = here.filter((line) => /^(one|two)\{/.test(line));
          return samples.length === 2 && here.join("\n") === there.join("\n") && samples.at(-1);
        },
        { timeout: 20_000, interval: 100 },
      )
      .toMatch(/^two\{job="two",instance="two\.[^:"]+:\d+"\} 1 \d{13}$/);

    for (const daemon of [one, two]) {
      const groups = (await json(daemon, "/discovery")) as {
        targets: string[];
        labels: Record<string, string>;
      }[];
      const found = groups.map(({ targets, labels }) => [
        labels["__meta_app_metrics_proxy_service"],
        labels["__meta_app_metrics_proxy_node"],
        ...targets,
      ]);
      // The same labels and addresses: Prometheus takes the targets of both lists once.
      expect(found.sort()).toEqual([
        ["one", originOne, "one.example.org:2137"],
        ["two", originTwo, "two.example.org:2137"],
      ]);
    }

    expect(await json(one, "/targets")).toMatchObject({
      targets: expect.arrayContaining([
        expect.objectContaining({ node: originOne, job: "one", state: "up" }),
        expect.objectContaining({ node: originTwo, job: "two", state: "up" }),
      ]),
      replication: {
        origin: originOne,
        peerList: { ok: true },
        peers: expect.arrayContaining([
          expect.objectContaining({ state: "self" }),
          expect.objectContaining({ state: "connected", node: originTwo }),
        ]),
        origins: expect.arrayContaining([
          expect.objectContaining({
            origin: originTwo,
            entries: 1,
            advertiseAddress: "two.example.org:2137",
            timesUsed: true,
          }),
        ]),
      },
      replicated: [{ name: "two", origin: originTwo, samples: 1, fresh: true }],
    });

    const metrics = await get(one, "/metrics");
    for (const line of [
      `app_metrics_proxy_origin_entries{origin="${originTwo}"} 1`,
      `app_metrics_proxy_origin_silence_seconds{origin="${originTwo}"} `,
      `app_metrics_proxy_origin_clock_offset_seconds{origin="${originTwo}"} `,
      "app_metrics_proxy_peer_list_failing 0",
      "app_metrics_proxy_shared_names 0",
      'app_metrics_proxy_replication_failures_total{reason="same_name"} 0',
    ]) {
      expect(metrics).toContain(`\n${line}`);
    }
  });

  it("reports how long it has received nothing from a stopped peer", { timeout: 60_000 }, async () => {
    const { one, two, originTwo } = await startPair();
    await two.stop();
    const expected = new RegExp(
      `^503 no fresh metrics for "two": nothing received from node ${originTwo} for \\d+ s\\n$`,
    );
    await expect.poll(() => get(one, "/two/metrics"), { timeout: 20_000 }).toMatch(expected);
    expect(await get(one, "/one/metrics")).toBe("200 one 1\n");
    expect((await json(one, "/targets")) as object).toMatchObject({
      replication: { peers: expect.arrayContaining([expect.objectContaining({ lastReason: "connect" })]) },
    });
  });
});

it("two proxies serve the same one of two targets with one job and instance, and report the other", {
  timeout: 60_000,
}, async () => {
  const [httpOne, httpTwo, sshOne, sshTwo] = (await freePorts(4)) as [number, number, number, number];
  const { logger, lines } = recordingLogger();
  const start = async (name: string, http: number, ssh: number) => {
    const target = await startTarget(answerWith(`${name} 1\n`));
    const folder = tempFolder();
    const file = join(folder, "targets.json");
    const labels = { job: "node", instance: "host1" };
    writeFileSync(file, JSON.stringify([{ targets: [`127.0.0.1:${target.port}`], labels }]));
    const settings = {
      SSHPASS: "a long enough secret",
      PEERS: `127.0.0.1:${sshOne},127.0.0.1:${sshTwo}`,
      LISTEN_ADDRESS: `127.0.0.1:${http}`,
      SSH_LISTEN_ADDRESS: `127.0.0.1:${ssh}`,
      TARGETS_FILE: file,
    };
    return startWhole(folder, name, target.port, settings, logger);
  };
  const one = await start("one", httpOne, sshOne);
  await expect.poll(() => get(one, "/node/metrics"), { timeout: 20_000 }).toBe("200 one 1\n");
  const two = await start("two", httpTwo, sshTwo);
  const states = async (proxy: Daemon) => {
    const { targets } = (await json(proxy, "/targets")) as { targets: Record<string, unknown>[] };
    return Object.fromEntries(targets.map(({ node, state, shadowedBy }) => [node, { state, shadowedBy }]));
  };
  const [first, second] = [httpOne, httpTwo].map((port) => `${hostname()}@127.0.0.1:${port}`);
  const expected = {
    [first!]: { state: "up" },
    [second!]: { state: "shadowed", shadowedBy: expect.objectContaining({ node: first }) },
  };
  for (const proxy of [one, two])
    await expect.poll(() => states(proxy), { timeout: 20_000 }).toMatchObject(expected);
  // Several cycles of each.
  const served = new Set<string>();
  for (let round = 0; round < 20; round++) {
    for (const proxy of [one, two]) served.add(await get(proxy, "/node/metrics"));
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  expect([...served]).toEqual(["200 one 1\n"]);
  const metrics = await get(two, "/metrics");
  expect(metrics).toContain("\napp_metrics_proxy_shadowed_targets 1\n");
  expect(metrics).toContain('\napp_metrics_proxy_targets{state="shadowed"} 1\n');
  await one.stop();
  await expect.poll(() => get(two, "/node/metrics"), { timeout: 20_000 }).toBe("200 two 1\n");
  // Each proxy reports it once.
  const reports = lines.filter(({ message }) => message.startsWith("targets with the same job and instance"));
  expect(reports).toHaveLength(2);
});

describe("a proxy without PEERS", () => {
  it("is ready after its first scan, and reports which settings replication needs", async () => {
    const target = await startTarget(answerWith("one 1\n"));
    const alone = await startWhole(tempFolder(), "one", target.port, { LISTEN_ADDRESS: "127.0.0.1:0" });
    await expect.poll(() => get(alone, "/-/ready")).toBe("200 ready\n");
    expect(await json(alone, "/targets")).toMatchObject({
      replication: null,
      whyNoReplication: expect.stringMatching(/SSHPASS and PEERS are not set/),
    });
  });
});

describe("the metrics of the proxy", () => {
  it("are valid for promtool, with those of replication", async () => {
    const target = await startTarget(answerWith("one 1\n"));
    const settings = {
      LISTEN_ADDRESS: "127.0.0.1:0",
      SSH_LISTEN_ADDRESS: "127.0.0.1:0",
      SSHPASS: "a long enough secret",
    };
    const proxy = await startWhole(tempFolder(), "one", target.port, settings);
    const metrics = (await get(proxy, "/metrics")).slice("200 ".length);
    expect(metrics).toContain("app_metrics_proxy_peers{");
    expect(await promtoolFault(metrics)).toBeUndefined();
  });
});
