import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { openLink } from "../../../src/replication/ssh/client.js";
import { askBySsh } from "../../support/openssh.js";
import { keysFor, startTestServer, type TestServer, testSecret } from "./test-server.js";

const programs = ["ssh", "sshpass"];
const missing = programs.filter((program) => spawnSync("which", [program]).status !== 0);
if (missing.length > 0 && process.env["CI"]) throw new Error(`not installed: ${missing.join(", ")}`);

/** Runs OpenSSH's client against a server on loopback. */
function ssh({ server }: TestServer, args: readonly string[], password = testSecret) {
  return askBySsh({ host: "127.0.0.1", port: server.port, password }, args);
}

describe.skipIf(missing.length > 0)(`OpenSSH's client${missing.map((one) => ` (no ${one})`)}`, () => {
  it("prints the output of a command", async () => {
    const { out, code } = await ssh(await startTestServer(), ["status"]);
    expect(JSON.parse(out.toString())).toEqual({ ok: true });
    expect(code).toBe(0);
  });

  it.each([["sh"], ["status; sh"], ["/bin/sh -c id"], ["sync"], ["toString"], ["scp -t /"]])(
    "rejects the command %s and lists the available ones",
    async (command) => {
      const { code, out, err } = await ssh(await startTestServer(), [command]);
      expect(code).toBe(127);
      expect(out.toString()).toBe("");
      expect(err).toContain("unknown command; available: archive, status");
    },
  );

  it("gets no shell, with or without a terminal, and no subsystem", async () => {
    const target = await startTestServer();
    for (const args of [["-T"], ["-tt"], ["-s", "sftp"]]) {
      const { code, out } = await ssh(target, args);
      expect(code).not.toBe(0);
      expect(out.toString()).toBe("");
    }
  });

  it("cannot forward anything", async () => {
    const target = await startTestServer();
    const remote = await ssh(target, ["-R", "0:127.0.0.1:1", "-o", "ExitOnForwardFailure=yes", "status"]);
    expect(remote.code).not.toBe(0);
    const stdio = await ssh(target, ["-W", `127.0.0.1:${target.server.port}`]);
    expect(stdio.code).not.toBe(0);
    expect(stdio.out.toString()).toBe("");
  });

  it("is refused after a wrong password, also after many", { timeout: 60_000 }, async () => {
    const target = await startTestServer();
    for (let batch = 0; batch < 4; batch++) {
      const tries = await Promise.all(
        [1, 2, 3, 4, 5].map((number) => ssh(target, ["status"], `wrong password ${batch} ${number}`)),
      );
      for (const { code, out, err } of tries) {
        expect({ code, out: out.toString() }).toEqual({ code: 255, out: "" });
        expect(err).toMatch(/Permission denied|closed by/);
      }
    }
    expect(target.refusals.filter((reason) => reason === "password")).toHaveLength(20);
    // The right password is refused for a while, too, but not the key of a peer.
    expect((await ssh(target, ["status"])).code).toBe(255);
    const address = { host: "127.0.0.1", port: target.server.port };
    const link = await openLink(address, await keysFor(), new AbortController().signal);
    link.close();
  });
});
