import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { limitSocket } from "../../../src/replication/ssh/socket-limits.js";

/** Both ends of a connection, the near one as a server has it. */
async function connection(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const arrived = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const far = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const near = await arrived;
  for (const socket of [near, far]) {
    socket.on("error", () => undefined);
    onTestFinished(() => void socket.destroy());
  }
  server.close();
  return { near, far };
}

const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()));

function watch(near: Socket, mayReceive = () => true): string[] {
  const told: string[] = [];
  limitSocket({
    socket: near,
    mayReceive,
    channels: () => [],
    onExceeded: (what) => {
      told.push(what);
      near.destroy();
    },
  });
  near.resume();
  return told;
}

describe("the watch over a socket", () => {
  it("ends it where the other end asks on and on and reads no answer, with little in memory", async () => {
    const { near, far } = await connection();
    const answer = Buffer.alloc(64 * 1024);
    let most = 0;
    near.on("data", () => {
      near.write(answer);
      most = Math.max(most, near.writableLength);
    });
    const told = watch(near);
    far.pause();
    const asking = setInterval(() => far.write("?"), 1);
    onTestFinished(() => clearInterval(asking));
    await closed(near);
    expect(told).toEqual(["too many unread replies"]);
    expect(most).toBeLessThan(8 * 1024 * 1024);
  });

  it("does so once, where it sends what it may not", async () => {
    const { near, far } = await connection();
    let received = 0;
    near.on("data", (chunk) => {
      received += chunk.length;
    });
    const told = watch(near, () => received < 1000);
    far.write(Buffer.alloc(100));
    far.write(Buffer.alloc(1_000_000));
    await closed(near);
    expect(told).toHaveLength(1);
  });

  it("does not wait for who was sent away and goes on sending", async () => {
    const { near, far } = await connection();
    const told = watch(near);
    near.end();
    far.removeAllListeners("end");
    far.allowHalfOpen = true;
    const sending = setInterval(() => far.write("x"), 20);
    onTestFinished(() => clearInterval(sending));
    await closed(near);
    expect(told).toEqual([]);
  });
});
