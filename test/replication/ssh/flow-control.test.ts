import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { limitSocket, requireSupportedVersion } from "../../../src/replication/ssh/flow-control.js";
import { closed } from "./unauthenticated-client.js";

/** Both ends of a connection; `near` is paused, as ssh2 gets it. */
async function connection(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const far = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const near = await accepted;
  for (const socket of [near, far]) {
    socket.on("error", () => undefined);
    onTestFinished(() => void socket.destroy());
  }
  server.close();
  return { near, far };
}

/** Returns the limits that were exceeded. */
function limit(near: Socket, mayReceive = () => true): string[] {
  const exceeded: string[] = [];
  limitSocket(near, mayReceive, (limit) => {
    exceeded.push(limit);
    near.destroy();
  });
  near.resume();
  return exceeded;
}

it("another version of ssh2 is refused at the start", () => {
  expect(() => requireSupportedVersion()).not.toThrow();
  expect(() => requireSupportedVersion("1.18.0")).toThrow("unsupported ssh2 version 1.18.0");
});

/** flow-control.ts uses private members of ssh2. Before an update, check that they are the same, and run all tests. */
it("package.json and the lock file pin the version of ssh2", () => {
  const read = (name: string) =>
    JSON.parse(readFileSync(new URL(`../../../${name}`, import.meta.url), "utf8"));
  const version = "1.17.0";
  expect(read("package.json").dependencies.ssh2).toBe(version);
  expect(read("package-lock.json").packages["node_modules/ssh2"].version).toBe(version);
  expect(read("node_modules/ssh2/package.json").version).toBe(version);
});

describe("limitSocket()", () => {
  it("ends a connection whose other end sends requests and reads no replies", async () => {
    const { near, far } = await connection();
    const reply = Buffer.alloc(64 * 1024);
    let most = 0;
    near.on("data", () => {
      near.write(reply);
      most = Math.max(most, near.writableLength);
    });
    const exceeded = limit(near);
    far.pause();
    const requests = setInterval(() => far.write("?"), 1);
    onTestFinished(() => clearInterval(requests));
    await closed(near);
    expect(exceeded).toEqual(["too many unread replies"]);
    expect(most).toBeLessThan(8 * 1024 * 1024);
  });

  it("reports a limit once", async () => {
    const { near, far } = await connection();
    let received = 0;
    near.on("data", (chunk) => {
      received += chunk.length;
    });
    const exceeded = limit(near, () => received < 1000);
    far.write(Buffer.alloc(100));
    far.write(Buffer.alloc(1_000_000));
    await closed(near);
    expect(exceeded).toHaveLength(1);
  });

  it("closes a half-closed connection although the other end keeps sending", async () => {
    const { near, far } = await connection();
    const exceeded = limit(near);
    near.end();
    far.removeAllListeners("end");
    far.allowHalfOpen = true;
    const sending = setInterval(() => far.write("x"), 20);
    onTestFinished(() => clearInterval(sending));
    await closed(near);
    expect(exceeded).toEqual([]);
  });
});
