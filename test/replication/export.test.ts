import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { askBySsh, run } from "../support/openssh.js";
import { connectionsTo, served, soon, startProxy, type TestProxy, testSecret } from "./proxies.js";
import { startEvilClient } from "./ssh/evil-client.js";

const programs = ["ssh", "sshpass", "tar"];
const missing = programs.filter((program) => spawnSync("which", [program]).status !== 0);
if (missing.length > 0 && process.env["CI"]) throw new Error(`not installed: ${missing.join(", ")}`);

const mebibyte = 1024 * 1024;

/** Runs OpenSSH's client against a proxy on loopback. */
function ssh({ port }: TestProxy, args: readonly string[]) {
  return askBySsh({ host: "127.0.0.1", port, password: testSecret }, args);
}

describe.skipIf(missing.length > 0)("with OpenSSH's client", () => {
  it("export is a tar archive of scrapes and publications with readable names", async () => {
    const proxy = await startProxy("node1");
    proxy.put("1", "x 1\n");
    proxy.put("2", "x 2\n");
    proxy.put("3", "host 1\n", { job: "odd/../name", replica: "..", scope: "global" });
    proxy.publisher.endCycle();
    const exported = await ssh(proxy, ["export"]);
    expect(exported.err).toBe("");
    expect(exported.code).toBe(0);
    const listed = await run("tar", ["-tv"], {}, exported.out);
    expect(listed.err).toBe("");
    const lines = listed.out.toString().trim().split("\n");
    const file = String.raw`^-rw------- 0/0 +\d+ \d{4}-\d\d-\d\d \d\d:\d\d `;
    const names = [
      String.raw`node1/\d{16}-[0-9a-f]{8}\.batch\.json\.gz`,
      String.raw`node1/\d{16}-[0-9a-f]{8}\.targets\.json\.gz`,
      String.raw`node1/odd_\.\._name/_/\d{16}-[0-9a-f]{8}\.gz`,
      String.raw`node1/shop_web/1/\d{16}-[0-9a-f]{8}\.gz`,
    ];
    for (const name of names)
      expect(lines).toContainEqual(expect.stringMatching(new RegExp(`${file}${name}$`)));
    const text = await run("tar", ["-xO", "--wildcards", "*/shop_web/2/*"], {}, exported.out);
    expect(gunzipSync(text.out).toString()).toBe("x 2\n");
    const targets = await run("tar", ["-xO", "--wildcards", "*.targets.json.gz"], {}, exported.out);
    expect(JSON.parse(gunzipSync(targets.out).toString())).toMatchObject({
      kind: "targets",
      origin: "node1",
    });
  });

  it("export is an empty archive for an empty cache", async () => {
    const proxy = await startProxy("node1");
    const listed = await run("tar", ["-tv"], {}, (await ssh(proxy, ["export"])).out);
    expect(listed).toMatchObject({ code: 0, err: "" });
    expect(listed.out.toString()).toBe("");
  });

  it("status is JSON about peers and origins", async () => {
    const [proxy, peer] = [await startProxy("node1"), await startProxy("node2")];
    await proxy.connectTo(peer);
    peer.put("1", "x 1\n");
    await expect.poll(() => served(proxy), soon).toEqual({ "1": "x 1\n" });
    const { out, code } = await ssh(proxy, ["status"]);
    expect(code).toBe(0);
    expect(JSON.parse(out.toString())).toMatchObject({
      origin: "node1",
      manager: true,
      peers: [
        {
          title: `127.0.0.1:${peer.port}`,
          address: `127.0.0.1:${peer.port}`,
          node: "node2",
          state: "connected",
          lastSuccess: expect.any(Number),
          failures: 0,
          bytesIn: expect.any(Number),
          bytesOut: expect.any(Number),
        },
      ],
      cutOff: [],
      sharedNames: [],
      origins: expect.arrayContaining([{ origin: "node2", entries: 1, silentFor: expect.any(Number) }]),
    });
  });
});

describe("export", () => {
  it("frees its slot when the client disconnects in the middle of an archive", async () => {
    const proxy = await startProxy("node1");
    for (let id = 0; id < 16; id++) {
      proxy.put(`big${id}`, "x 1\n", { gzip: randomBytes(mebibyte), job: "big" });
    }
    for (let time = 0; time < 6; time++) {
      const { client, socket } = await startEvilClient(proxy);
      const channel = await new Promise<NodeJS.ReadableStream>((resolve, reject) =>
        client.exec("export", (error, stream) => (error === undefined ? resolve(stream) : reject(error))),
      );
      await once(channel, "readable");
      socket.destroy();
    }
    await expect.poll(() => connectionsTo(proxy)).toBe(0);
    const { client } = await startEvilClient(proxy);
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
