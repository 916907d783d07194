import ssh2 from "ssh2";
import { describe, expect, it, onTestFinished } from "vitest";
import { startTcpTarget } from "../../support/target-server.js";
import { keysFor, startProxy } from "../proxies.js";
import { strangersKey } from "./strangers.js";

describe("an impostor in the place of a peer", () => {
  /** A server with a host key of its own that takes whatever it is offered, and remembers it. */
  async function startImpostor(hostKey: ssh2.ServerConfig["hostKeys"][number] = strangersKey()) {
    const heard: string[] = [];
    const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
      client.on("error", () => undefined);
      client.on("authentication", (context) => {
        heard.push(context.method);
        context.accept();
      });
      client.on("session", () => heard.push("session"));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    onTestFinished(() => void server.close());
    return { server: { port: (server.address() as { port: number }).port }, heard };
  }

  /** A proxy that has something to give, after a cycle with an impostor. */
  async function meet({ server }: Awaited<ReturnType<typeof startImpostor>>) {
    const proxy = await startProxy("node1");
    proxy.put("1", "x 1\n");
    proxy.talkTo({ server });
    await proxy.replicator.cycle();
    return proxy;
  }

  it("with a key of another kind gets neither a key, nor a secret, nor data", async () => {
    const impostor = await startImpostor();
    const proxy = await meet(impostor);
    expect(impostor.heard).toEqual([]);
    expect(proxy.failures).toEqual(["host_key"]);
    expect(proxy.replicator.statuses()[0]?.lastError).toContain("impostor");
  });

  it("with another key of the same kind gets nothing", async () => {
    const { host } = await keysFor("another secret");
    const impostor = await startImpostor(host.privateKey);
    const proxy = await meet(impostor);
    expect(impostor.heard).toEqual([]);
    expect(proxy.failures).toEqual(["host_key"]);
  });

  it("with the right host key, but not its private half, gets nothing", async () => {
    const { host } = await keysFor();
    const { host: other } = await keysFor("another secret");
    const key = ssh2.utils.parseKey(other.privateKey) as ssh2.ParsedKey;
    key.getPublicSSH = () => host.publicKey;
    const impostor = await startImpostor({ key } as never);
    const proxy = await meet(impostor);
    expect(impostor.heard).toEqual([]);
    expect(proxy.failures).toEqual(["host_key"]);
  });

  it("is told from a node with another secret by nothing: both have another host key", async () => {
    const proxy = await startProxy("node1");
    const other = await startProxy("node2", { secret: "another secret altogether" });
    proxy.put("1", "x 1\n");
    proxy.talkTo(other);
    await proxy.replicator.cycle();
    expect(proxy.failures).toEqual(["host_key"]);
    expect(proxy.replicator.statuses()[0]?.lastError).toContain("SSHPASS");
    expect(other.cache.all()).toEqual([]);
  });

  it("that never answers costs no more than the time for connecting", async () => {
    const server = await startTcpTarget(() => undefined);
    const proxy = await startProxy("node1");
    const good = await startProxy("good");
    proxy.put("1", "x 1\n");
    proxy.talkTo({ server }, good);
    const cycle = proxy.replicator.cycle();
    let over = false;
    const ended = cycle.then(() => {
      over = true;
    });
    await expect.poll(() => good.cache.all().length, { timeout: 10_000, interval: 10 }).toBe(1);
    expect(over).toBe(false);
    await ended;
    expect(proxy.failures).toEqual(["timeout"]);
  });
});
