import { randomBytes } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { startTcpTarget } from "../../support/target-server.js";
import { startProxy } from "../proxies.js";
import { message, startRawPeer } from "../raw-peer.js";

const mebibyte = 1024 * 1024;
/** Longer than a test takes: what ends an exchange here is to be something else. */
const patient = { idleMs: 60_000, exchangeMs: 60_000 };

describe("a peer that is called and", () => {
  it("wants everything, with a window for all of it, and reads nothing fills no memory here", async () => {
    const proxy = await startProxy("node1", { limits: { ...patient, sendMs: 1000 } });
    for (let id = 0; id < 64; id++) proxy.put(`${id}`, "x 1\n", { gzip: randomBytes(mebibyte) });
    const evil = await startRawPeer((stream, protocol) => {
      protocol.channelWindowAdjust(0, 2 ** 31);
      stream.write(
        Buffer.concat([
          message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" }),
          message({ kind: "have", manager: true, have: [] }),
          message({ kind: "answer", light: [], heavy: 0, want: [["node1", 0, 0, 0]] }),
        ]),
      );
      evil.deaf();
    });
    proxy.talkTo(evil);
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }, 20);
    onTestFinished(() => clearInterval(timer));
    await proxy.replicator.cycle();
    expect(proxy.failures).toEqual(["timeout"]);
    expect(most).toBeLessThan(32 * mebibyte);
  });

  it("negotiates new keys all the time is cut off", async () => {
    const proxy = await startProxy("node1", { limits: patient });
    const evil = await startRawPeer((_stream, protocol) => {
      const timer = setInterval(() => protocol.rekey(), 5);
      onTestFinished(() => clearInterval(timer));
    });
    proxy.talkTo(evil);
    await proxy.replicator.cycle();
    expect(proxy.failures).toEqual(["limit"]);
  });

  it.each([
    ["lines without end before its name", "line\r\n"],
    ["a line without end", "line "],
    ["rubbish", "\0\r\n\r"],
  ])("says %s instead of SSH is cut off before long", async (_, text) => {
    let heard = 0;
    const server = await startTcpTarget((socket) => {
      const timer = setInterval(() => {
        if (socket.writableLength < mebibyte) socket.write(text.repeat(2000));
      }, 1);
      socket.on("close", () => {
        clearInterval(timer);
        heard = socket.bytesWritten;
      });
    });
    const proxy = await startProxy("node1");
    proxy.talkTo({ server });
    await proxy.replicator.cycle();
    expect(["connect", "limit", "protocol"]).toContain(proxy.failures[0]);
    await expect.poll(() => heard).toBeGreaterThan(0);
  });
});
