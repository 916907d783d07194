import ssh2 from "ssh2";
import { describe, expect, it } from "vitest";
import { type Logger, silentLogger } from "../../../src/logging.js";
import type { PeerList } from "../../../src/replication/peers/peer-source.js";
import { sshAlgorithms } from "../../../src/replication/ssh/connection.js";
import { freePort } from "../../support/free-port.js";
import { startTcpTarget } from "../../support/target-server.js";
import { fastClock, keysFor, knownPeer, served, soon, startProxy, type TestProxy } from "../proxies.js";

const peersOf = ({ replication }: TestProxy) => replication.status().peers;
const stateOf = (proxy: TestProxy) => peersOf(proxy).map(({ state }) => state);

/** A logger that keeps warnings and errors. */
function linesLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (message: string) => void lines.push(message);
  return { ...silentLogger, lines, warn: keep, error: keep };
}

describe("of two Swarm tasks", () => {
  it("the one with the lower id dials at once", async () => {
    const higher = await startProxy("b", { task: "task2" });
    const source = async () => ({ peers: [knownPeer(higher.port, "task2")] });
    const lower = await startProxy("a", { task: "task1", list: source });
    const begun = fastClock.monotonic();
    await lower.connectTo();
    await expect.poll(() => stateOf(lower), soon).toEqual(["connected"]);
    // The other one would wait for 5 s.
    expect(
      peersOf(lower)[0]!.lastSuccess! - (fastClock.now() - (fastClock.monotonic() - begun)),
    ).toBeLessThan(4900);
  });

  it("the one with the higher id dials after 5 s without a link", async () => {
    const lower = await startProxy("a", { task: "task1" });
    const higher = await startProxy("b", {
      task: "task2",
      list: async () => ({ peers: [knownPeer(lower.port, "task1")] }),
    });
    const begun = fastClock.monotonic();
    await higher.connectTo();
    expect(stateOf(higher)).toEqual(["pending"]);
    await expect.poll(() => stateOf(higher), soon).toEqual(["connected"]);
    expect(fastClock.monotonic() - begun).toBeGreaterThan(5000);
  });
});

describe("a proxy with many peers", () => {
  it("has ten handshakes at a time", async () => {
    let open = 0;
    let most = 0;
    // Accepts connections and sends nothing.
    const { port } = await startTcpTarget((socket) => {
      most = Math.max(most, ++open);
      socket.on("close", () => open--);
      socket.resume();
    });
    const peers = Array.from({ length: 25 }, (_, index) => knownPeer(port, `peer${index}`));
    const proxy = await startProxy("a", { list: async () => ({ peers }), interval: 3600 });
    await proxy.connectTo();
    await expect.poll(() => proxy.failures.length, soon).toBeGreaterThan(10);
    expect(most).toBe(10);
    await proxy.stop();
  });
});

describe("an address that is this node's own", () => {
  it("is detected, is no failure, and is tried again when the addresses change", async () => {
    const other = await startProxy("b");
    let port = 0;
    const list = async () => ({ peers: [knownPeer(port, "peer")] });
    const proxy = await startProxy("a", { list });
    port = proxy.port;
    await proxy.connectTo();
    await expect.poll(() => stateOf(proxy), soon).toEqual(["self"]);
    expect(proxy.failures).toEqual([]);
    await expect.poll(() => proxy.replication.attempted, soon).toBe(true);
    port = other.port;
    await proxy.connectTo();
    await expect.poll(() => stateOf(proxy), soon).toEqual(["connected"]);
  });
});

describe("a peer of another version", () => {
  it("is reported as `version`, and is tried again each interval", async () => {
    const keys = await keysFor();
    let connections = 0;
    const server = new ssh2.Server(
      { hostKeys: [keys.host.privateKey], algorithms: sshAlgorithms },
      (client) => {
        connections++;
        client.on("error", () => undefined);
        client.on("authentication", (context) => context.accept());
        client.on("session", (accept) => {
          accept().on("exec", (acceptExec) => {
            const channel = acceptExec();
            channel.stderr.write("unknown command; available: export, status\n");
            channel.exit(127);
            channel.end();
          });
        });
      },
    );
    const { port } = await startTcpTarget((socket) => server.injectSocket(socket));
    const logger = linesLogger();
    const proxy = await startProxy("a", { interval: 1, logger });
    await proxy.connectTo({ port });
    await expect.poll(() => proxy.failures.length, soon).toBeGreaterThan(2);
    expect(new Set(proxy.failures)).toEqual(new Set(["version"]));
    expect(peersOf(proxy)).toMatchObject([{ state: "failing", lastReason: "version" }]);
    expect(connections).toBeGreaterThan(2);
    expect(logger.lines).toEqual(["link to peer failed"]);
  });
});

describe("a list of peers", () => {
  it("that fails keeps the known peers, and is reported once until it recovers", async () => {
    const logger = linesLogger();
    let fails = false;
    const list = async (peers: PeerList) => {
      if (fails) throw new Error("engine does not respond");
      return peers;
    };
    const proxy = await startProxy("a", { list, logger });
    const peer = await startProxy("b");
    await proxy.connectTo(peer);
    await expect.poll(() => stateOf(proxy), soon).toEqual(["connected"]);
    fails = true;
    for (let time = 0; time < 3; time++) await proxy.connectTo();
    proxy.put("1", "x 1\n");
    await expect.poll(() => served(peer), soon).toEqual({ "1": "x 1\n" });
    expect(proxy.replication.status().listFailing?.reason).toMatch(/engine does not respond/);
    expect(logger.lines).toEqual(["peers not listed: keeping the known ones"]);
    fails = false;
    await proxy.connectTo(peer);
    expect(proxy.replication.status().listFailing).toBeUndefined();
    expect(stateOf(proxy)).toEqual(["connected"]);
  });

  it("with peers that cannot be dialled is reported once, with the time since when", async () => {
    const logger = linesLogger();
    let problem: string | undefined = "no shared network";
    const list = async () => ({ peers: [], ...(problem === undefined ? {} : { problem }) });
    const proxy = await startProxy("a", { list, logger });
    await proxy.connectTo();
    const { since } = proxy.replication.status().listFailing!;
    await proxy.connectTo();
    expect(proxy.replication.status().listFailing).toEqual({ since, reason: "no shared network" });
    expect(logger.lines).toEqual(["peers not reachable"]);
    problem = undefined;
    await proxy.connectTo();
    expect(proxy.replication.status().listFailing).toBeUndefined();
  });

  it("without a peer that it had before closes the link to it", async () => {
    const [proxy, peer] = [await startProxy("a"), await startProxy("b")];
    await proxy.connectTo(peer);
    await expect.poll(() => stateOf(proxy), soon).toEqual(["connected"]);
    await proxy.connectTo();
    expect(peersOf(proxy)).toEqual([]);
    peer.put("1", "x 1\n");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(served(proxy)).toEqual({});
    expect(proxy.failures).toEqual([]);
  });
});

describe("readiness", () => {
  it("waits until each peer of the first list was dialled, reachable or not", async () => {
    const dead = await freePort();
    const proxy = await startProxy("a");
    const peer = await startProxy("b");
    expect(proxy.replication.attempted).toBe(false);
    await proxy.connectTo(peer, { port: dead });
    await expect.poll(() => proxy.replication.attempted, soon).toBe(true);
    expect(stateOf(proxy)).toEqual(["connected", "failing"]);
    expect(proxy.failures).toContain("connect");
  });
});
