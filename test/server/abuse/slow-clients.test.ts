import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, it, onTestFinished } from "vitest";
import { requireBuild } from "../../support/built-proxy.js";
import { describeUnless } from "../../support/describe-unless.js";
import { open } from "../../support/raw-client.js";
import { startVictim, underAttack } from "./under-attack.js";

const idle = 5000;
const slow = 200;

beforeAll(requireBuild);

describeUnless(tooFewFiles(), "five thousand idle connections, and some that send single bytes", () => {
  it("do not prevent scrapes, and are closed after a while", { timeout: 60_000 }, async () => {
    const victim = await startVictim();
    const sockets: Socket[] = [];
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    const opened = (count: number) =>
      Promise.all(
        Array.from({ length: count }, async () => {
          // Without reading, it would not notice that its connection was closed.
          const socket = open(victim.port);
          const one = { socket, text: "" };
          socket.on("data", (data) => (one.text += data));
          sockets.push(socket);
          await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
          return one;
        }),
      );
    const { grownBy } = await underAttack(victim, async (meanwhile) => {
      for (let count = 0; count < idle; count += 500) await opened(500);
      const [halfHeaders, slowHeaders, slowBodies] = await Promise.all([slow, slow, slow].map(opened));
      for (const { socket } of halfHeaders!) socket.write("GET /targets HTTP/1.1\r\nHost: a\r\nX: ");
      for (const { socket } of slowHeaders!) socket.write("GET /targets HTTP/1.1\r\nHost: a\r\nX: ");
      for (const { socket } of slowBodies!) {
        socket.write("GET /-/healthy HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
      }
      await meanwhile();
      expect(sockets.filter(({ destroyed }) => destroyed)).toEqual([]);
      // A byte now and then does not keep a connection open.
      while (slowHeaders!.some(({ socket }) => !socket.destroyed)) {
        for (const { socket } of [...slowHeaders!, ...slowBodies!]) if (socket.writable) socket.write("x");
        await sleep(500);
      }
      const open = () => sockets.slice(0, idle + slow).filter(({ destroyed }) => !destroyed).length;
      await expect.poll(open, { timeout: 10_000 }).toBe(0);
      for (const one of halfHeaders!) expect(one.text).toMatch(/^HTTP\/1\.1 408 /);
      for (const one of slowBodies!) expect(one.text).toMatch(/^HTTP\/1\.1 200 /);
    });
    expect(grownBy).toBeLessThan(150 * 1024 * 1024);
  });
});

/** Why this machine cannot open so many connections, if so: both ends need a file descriptor for each. */
function tooFewFiles(): string | undefined {
  const [, most] = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  const wanted = idle + 3 * slow + 500;
  return Number(most) >= wanted || most === undefined
    ? undefined
    : `${wanted} open files are needed: ulimit -n`;
}
