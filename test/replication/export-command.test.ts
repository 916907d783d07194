import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { askBySsh, run } from "../support/openssh.js";
import { startProxy, type TestProxy, testSecret } from "./proxies.js";
import { startEvilClient } from "./ssh/evil-client.js";

const programs = ["ssh", "sshpass", "tar"];
const missing = programs.filter((program) => spawnSync("which", [program]).status !== 0);
if (missing.length > 0 && process.env["CI"]) throw new Error(`not installed: ${missing.join(", ")}`);

const mebibyte = 1024 * 1024;

/** Runs OpenSSH's client against a proxy on loopback. */
function ssh({ server }: TestProxy, args: readonly string[]) {
  return askBySsh({ host: "127.0.0.1", port: server.port, password: testSecret }, args);
}

describe.skipIf(missing.length > 0)("export, as OpenSSH's client receives it,", () => {
  it("is a tar archive of gzip files", async () => {
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

  it("is an empty archive for an empty cache", async () => {
    const proxy = await startProxy("node1");
    const listed = await run("tar", ["-tv"], {}, (await ssh(proxy, ["export"])).out);
    expect(listed).toMatchObject({ code: 0, err: "" });
    expect(listed.out.toString()).toBe("");
  });
});

describe("export", () => {
  it("frees its slot when the client disconnects in the middle of an archive", async () => {
    const proxy = await startProxy("node1");
    for (let id = 0; id < 16; id++) {
      proxy.put(`big${id}`, "x 1\n", { gzip: randomBytes(mebibyte), job: "big" });
    }
    for (let time = 0; time < 6; time++) {
      const { client, socket } = await startEvilClient(proxy.server);
      const channel = await new Promise<NodeJS.ReadableStream>((resolve, reject) =>
        client.exec("export", (error, stream) => (error === undefined ? resolve(stream) : reject(error))),
      );
      await once(channel, "readable");
      socket.destroy();
    }
    await expect.poll(() => proxy.server.connections).toBe(0);
    const { client } = await startEvilClient(proxy.server);
    const bytes = await new Promise<number>((resolve, reject) =>
      client.exec("export", (error, stream) => {
        if (error !== undefined) return reject(error);
        let count = 0;
        stream.on("data", (chunk: Buffer) => {
          count += chunk.length;
        });
        stream.on("close", () => resolve(count));
      }),
    );
    expect(bytes).toBeGreaterThan(16 * mebibyte);
  });
});
