import { spawnSync } from "node:child_process";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { askBySsh, run } from "../../support/openssh.js";
import { startProxy, type TestProxy, testSecret } from "../proxies.js";

const programs = ["ssh", "sshpass", "tar"];
const missing = programs.filter((program) => spawnSync("which", [program]).status !== 0);
if (missing.length > 0 && process.env["CI"]) throw new Error(`not installed: ${missing.join(", ")}`);

/** Runs Debian's own client against a proxy on loopback. */
function ssh({ server }: TestProxy, args: readonly string[], password = testSecret) {
  return askBySsh({ host: "127.0.0.1", port: server.port, password }, args);
}

describe.skipIf(missing.length > 0)(
  `Debian's OpenSSH client against a proxy${missing.map((one) => ` (no ${one})`)}`,
  () => {
    it("gets the cache as a tar archive, whose files are the expositions", async () => {
      const proxy = await startProxy("node1");
      proxy.put("1", "x 1\n", { job: "shop_web", replica: "1" });
      proxy.put("2", "x 2\n", { job: "shop_web", replica: "2" });
      proxy.put("3", "host 1\n", { job: "odd/../name", replica: "..", scope: "global" });
      const exported = await ssh(proxy, ["export"]);
      expect(exported.err).toBe("");
      expect(exported.code).toBe(0);
      const listed = await run("tar", ["-tv"], {}, exported.out);
      expect(listed.err).toBe("");
      const lines = listed.out.toString().trim().split("\n");
      expect(lines).toHaveLength(3);
      expect(lines[0]).toMatch(
        /^-rw------- 0\/0 +\d+ \d{4}-\d\d-\d\d \d\d:\d\d node1\/odd_\.\._name\.\.\.-[0-9a-f]{8}\.metrics\.gz$/,
      );
      expect(lines[1]).toMatch(/node1\/shop_web\.1-[0-9a-f]{8}\.metrics\.gz$/);
      const text = await run("tar", ["-xO", "--wildcards", "*shop_web.2*"], {}, exported.out);
      expect(gunzipSync(text.out).toString()).toBe("x 2\n");
    });

    it("gets an empty archive of an empty cache", async () => {
      const proxy = await startProxy("node1");
      const listed = await run("tar", ["-tv"], {}, (await ssh(proxy, ["export"])).out);
      expect(listed).toMatchObject({ code: 0, err: "" });
      expect(listed.out.toString()).toBe("");
    });

    it("gets the status as JSON", async () => {
      const { out, code } = await ssh(await startProxy("node1"), ["status"]);
      expect(JSON.parse(out.toString())).toEqual({ node: "node1" });
      expect(code).toBe(0);
    });

    it.each([["sh"], ["export; sh"], ["/bin/sh -c id"], ["sync"], ["toString"], ["scp -t /"]])(
      "rejects the command %s and lists the available ones",
      async (command) => {
        const { code, out, err } = await ssh(await startProxy("node1"), [command]);
        expect(code).toBe(127);
        expect(out.toString()).toBe("");
        expect(err).toContain("unknown command; available: export, status");
      },
    );

    it("gets no shell, with or without a terminal, and no subsystem", async () => {
      const proxy = await startProxy("node1");
      for (const args of [["-T"], ["-tt"], ["-s", "sftp"]]) {
        const { code, out } = await ssh(proxy, args);
        expect(code).not.toBe(0);
        expect(out.toString()).toBe("");
      }
    });

    it("cannot forward anything", async () => {
      const proxy = await startProxy("node1");
      const remote = await ssh(proxy, ["-R", "0:127.0.0.1:1", "-o", "ExitOnForwardFailure=yes", "status"]);
      expect(remote.code).not.toBe(0);
      const stdio = await ssh(proxy, ["-W", `127.0.0.1:${proxy.server.port}`]);
      expect(stdio.code).not.toBe(0);
      expect(stdio.out.toString()).toBe("");
    });

    it("is refused with a wrong password, and the twentieth time too", { timeout: 60_000 }, async () => {
      const proxy = await startProxy("node1");
      for (let batch = 0; batch < 4; batch++) {
        const tries = await Promise.all(
          [1, 2, 3, 4, 5].map((number) => ssh(proxy, ["status"], `wrong password ${batch} ${number}`)),
        );
        for (const { code, out, err } of tries) {
          expect({ code, out: out.toString() }).toEqual({ code: 255, out: "" });
          expect(err).toMatch(/Permission denied|closed by/);
        }
      }
      expect(proxy.refusals.filter((reason) => reason === "password")).toHaveLength(20);
      // Even the right one has to wait now; peers, with their key, do not.
      expect((await ssh(proxy, ["status"])).code).toBe(255);
      const peer = await startProxy("peer");
      peer.talkTo(proxy);
      await peer.replicator.cycle();
      expect(peer.replicator.statuses()).toMatchObject([{ state: "connected" }]);
    });
  },
);
