import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Daemon } from "../../src/daemon/daemon.js";
import { ListenError } from "../../src/listen.js";
import { answerWith, startTarget } from "../support/target-server.js";
import { tempFolder } from "../support/temp-folder.js";
import { freePorts, get, startWhole as start } from "./daemons.js";

describe("a pair of proxies outside Swarm", () => {
  it("serve each other's metrics until they are stale, even if one stops or restarts", {
    timeout: 40_000,
  }, async () => {
    const folder = tempFolder();
    const [one, two] = [await startTarget(answerWith("one 1\n")), await startTarget(answerWith("two 1\n"))];
    const [httpOne, httpTwo, sshOne, sshTwo] = await freePorts(4);
    const settings = (http: number, ssh: number) => ({
      SSHPASS: "a long enough secret",
      PEERS: `127.0.0.1:${sshOne},127.0.0.1:${sshTwo}`,
      LISTEN_ADDRESS: `127.0.0.1:${http}`,
      SSH_LISTEN_ADDRESS: `127.0.0.1:${ssh}`,
    });
    const first = await start(folder, "one", one.port, settings(httpOne!, sshOne!));
    const second = await start(folder, "two", two.port, settings(httpTwo!, sshTwo!));
    const response = (path: string, daemon: Daemon) =>
      expect.poll(() => get(daemon, path), { timeout: 8000 });
    await response("/two/metrics", first).toBe("200 two 1\n");
    await response("/one/metrics", second).toBe("200 one 1\n");
    expect(await get(first, "/metrics")).toMatch(/replicated_entries_total\{direction="in"\} [1-9]/);

    // After a restart, fresh scrapes are served from disk at once.
    await Promise.all([first.stop(), second.stop()]);
    await two.close();
    const again = await start(folder, "one", one.port, settings(httpOne!, sshOne!));
    expect(await get(again, "/two/metrics")).toBe("200 two 1\n");
    await response("/two/metrics", again).toMatch(/^(404|503) /);
    rmSync(join(folder, "two"), { recursive: true });
  });

  it("report that the SSH port is in use", async () => {
    const folder = tempFolder();
    const taken = await startTarget(answerWith("x 1\n"));
    const settings = { SSHPASS: "a long enough secret", LISTEN_ADDRESS: "127.0.0.1:0" };
    const ssh = { SSH_LISTEN_ADDRESS: `127.0.0.1:${taken.port}` };
    await expect(start(folder, "one", taken.port, { ...settings, ...ssh })).rejects.toThrow(ListenError);
    await expect(start(folder, "one", taken.port, { ...settings, ...ssh })).rejects.toThrow(
      /cannot listen on SSH_LISTEN_ADDRESS 127\.0\.0\.1:\d+: another program listens on it/,
    );
  });
});
