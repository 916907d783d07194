import { once } from "node:events";
import { beforeAll, describe, expect, it } from "vitest";
import { requireBuild } from "../../support/built-proxy.js";
import { exchange, open } from "../../support/raw-client.js";
import { chunked, close, get, paths, shapes } from "./odd-requests.js";
import { memoryLimit, startVictim, underAttack } from "./under-attack.js";

beforeAll(requireBuild);

describe("requests that no scraper sends", () => {
  it("get the correct status, and nothing is smuggled in behind them", async () => {
    const { port, log } = await startVictim();
    const seen = await Promise.all(
      shapes.map(async ([name, bytes]) => [name, (await exchange(port, bytes)).statuses]),
    );
    expect(Object.fromEntries(seen)).toEqual(
      Object.fromEntries(shapes.map(([name, , statuses]) => [name, statuses])),
    );
    expect(log()).not.toMatch(/request failed|Warning/);
  });

  it("reach only existing paths", async () => {
    const victim = await startVictim();
    const seen = await Promise.all(
      paths.map(async ([path]) => {
        const bytes = Buffer.from(get(path, close), "latin1");
        return [path, (await exchange(victim.port, bytes)).statuses[0]];
      }),
    );
    expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(paths));
    expect(victim.log()).not.toMatch(/request failed|Warning/);
  });

  it("do not affect other clients, however many there are", async () => {
    const victim = await startVictim();
    const inRaw = (path: string) => Buffer.from(get(path, close), "latin1");
    const requests = [...shapes.map(([, bytes]) => bytes), ...paths.map(([path]) => inRaw(path))];
    const { grownBy } = await underAttack(victim, async () => {
      for (let round = 0; round < 10; round++)
        await Promise.all(requests.map((bytes) => exchange(victim.port, bytes)));
    });
    expect(grownBy).toBeLessThan(memoryLimit);
  });

  it("are answered in turn when a thousand arrive at once", async () => {
    const victim = await startVictim();
    const list = Array.from({ length: 1000 }, (_, index) => `/unknown-${index}/metrics`);
    const { text } = await exchange(
      victim.port,
      [...list.map((path) => get(path)), get("/", close)].join(""),
      15_000,
    );
    const names = [...text.matchAll(/unknown name: "(.*?)"/g)].map(([, name]) => `/${name}/metrics`);
    expect(names).toEqual(list);
  });
});

/** Large responses, made for each request. */
const unread: readonly [path: string, headers: string][] = [
  ["/federate", ""],
  ["/federate", "Accept-Encoding: gzip\r\n"],
  ["/targets", ""],
  ["/web/metrics", ""],
];

describe("the proxy keeps working with limited memory despite", () => {
  it("a thousand simultaneous requests with unread responses", async () => {
    const victim = await startVictim();
    for (const [path, headers] of unread) {
      const { grownBy } = await underAttack(victim, async (meanwhile) => {
        const sockets = [1, 2, 3].map(() => open(victim.port).pause());
        for (const socket of sockets) socket.write(get(path, headers).repeat(1000));
        await meanwhile();
        for (const socket of sockets) socket.destroy();
      });
      expect(grownBy, path).toBeLessThan(memoryLimit);
    }
  });

  it("a hundred clients that never read their response", async () => {
    const victim = await startVictim();
    for (const [path, headers] of unread) {
      const { grownBy } = await underAttack(victim, async (meanwhile) => {
        const sockets = Array.from({ length: 100 }, () => open(victim.port).pause());
        for (const socket of sockets) socket.write(get(path, headers));
        await meanwhile();
        for (const socket of sockets) socket.destroy();
      });
      expect(grownBy, path).toBeLessThan(memoryLimit);
    }
  });

  it("endless bodies", async () => {
    const victim = await startVictim();
    const piece = `${(64 * 1024).toString(16)}\r\n${"x".repeat(64 * 1024)}\r\n`;
    let sent = 0;
    const { grownBy } = await underAttack(victim, async (meanwhile) => {
      const sockets = Array.from({ length: 10 }, () => open(victim.port));
      for (const socket of sockets) {
        const send = () => {
          while (!socket.destroyed && socket.write(piece)) sent += piece.length;
        };
        socket.resume();
        socket.on("drain", send);
        socket.write(get("/-/healthy", chunked));
        send();
      }
      await meanwhile();
      for (const socket of sockets) socket.destroy();
    });
    expect(sent).toBeGreaterThan(0);
    expect(grownBy).toBeLessThan(memoryLimit);
  });

  it("clients that reset their connection during a response", async () => {
    const victim = await startVictim();
    const { grownBy } = await underAttack(victim, async () => {
      for (let round = 0; round < 10; round++) {
        const headers = round % 2 === 0 ? "" : "Accept-Encoding: gzip\r\n";
        await Promise.all(
          Array.from({ length: 20 }, async () => {
            const socket = open(victim.port);
            socket.write(get("/federate", headers));
            await once(socket, "data");
            socket.resetAndDestroy();
          }),
        );
      }
    });
    expect(grownBy).toBeLessThan(memoryLimit);
    expect(victim.log()).not.toMatch(/request failed|Warning/);
    // Nothing continues for disconnected clients.
    await expect
      .poll(async () => (await victim.get("/metrics")).text, { timeout: 5000 })
      .toMatch(/http_request_duration_seconds_count\{route="\/federate",code="200"\} 200/);
  });

  it("thousands of different names, queries and headers", async () => {
    const victim = await startVictim();
    const { grownBy } = await underAttack(victim, async () => {
      for (let round = 0; round < 10; round++) {
        const requests = Array.from({ length: 500 }, (_, index) => {
          const odd = `${round}-${index}-${"x".repeat(1000)}`;
          if (index % 4 === 0) return get(`/${odd}/metrics`);
          if (index % 4 === 1) return get(`/s15/metrics?a=${odd}`);
          if (index % 4 === 2) return get(`/federate?name=${odd}`);
          return get(
            "/s15/metrics",
            `Accept: text/plain;version=0.0.4;x=${odd}\r\nAccept-Encoding: gzip\r\n`,
          );
        });
        const { statuses } = await exchange(victim.port, `${requests.join("")}${get("/", close)}`, 15_000);
        expect(statuses).toHaveLength(501);
      }
    });
    expect(grownBy).toBeLessThan(memoryLimit);
    const metrics = (await victim.get("/metrics")).text;
    expect(metrics.length).toBeLessThan(200_000);
    expect(metrics).not.toContain("xxxx");
  });
});
