import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { type ConnectionLimits, Connections } from "../../../src/server/listener/connections.js";

/** A server that processes the requests of a connection in turn. */
async function serve(listener: RequestListener, limits: Partial<ConnectionLimits> = {}, timeout = 0) {
  const connections = new Connections({ checkInterval: 20, ...limits });
  const server = createServer({ keepAliveTimeout: 300 }, connections.inTurn(listener));
  server.setTimeout(timeout, (socket) => connections.timedOut(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    connections.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** A client that pipelines requests, and reads the responses or not. */
function client(port: number, paths: readonly string[], reads = true) {
  const socket: Socket = connect(port, "127.0.0.1");
  const state = { socket, text: "", closed: false };
  socket.on("error", () => undefined);
  socket.on("close", () => (state.closed = true));
  if (reads) socket.on("data", (data) => (state.text += data));
  else socket.pause();
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(""));
  onTestFinished(() => void socket.destroy());
  return state;
}

describe("pipelined requests", () => {
  it("are processed one at a time and answered in order", async () => {
    let underWay = 0;
    let most = 0;
    const port = await serve((request, response) => {
      most = Math.max(most, ++underWay);
      setImmediate(() => {
        underWay--;
        response.end(`[${request.url}]`);
      });
    });
    const paths = Array.from({ length: 500 }, (_, index) => `/${index}`);
    const { text } = await expectAll(client(port, paths), paths.length);
    expect([...text.matchAll(/\[(.*?)\]/g)].map(([, path]) => path)).toEqual(paths);
    expect(most).toBe(1);
  });

  it("do not delay other clients", async () => {
    const port = await serve((request, response) => {
      if (request.url !== "/never") response.end("[]");
    });
    client(port, ["/never", "/a", "/b"]);
    await sleep(50);
    await expectAll(client(port, ["/c", "/d"]), 2);
  });

  it("leave the event loop to other clients after each response", async () => {
    let processed = 0;
    const port = await serve((request, response) => {
      const end = performance.now() + 2;
      while (performance.now() < end);
      if (request.url === "/many") processed++;
      response.end("[]");
    });
    const many = client(
      port,
      Array.from({ length: 1000 }, () => "/many"),
    );
    await expect.poll(() => processed, { interval: 1 }).toBeGreaterThan(0);
    await expectAll(client(port, ["/other"]), 1);
    expect(processed).toBeLessThan(500);
    many.socket.destroy();
  });

  it("close their connection when too many wait, and no longer count afterwards", async () => {
    const port = await serve(
      (request, response) => {
        if (request.url !== "/never") response.end("[]");
      },
      { waiting: 10 },
    );
    const greedy = client(port, ["/never", ...Array<string>(20).fill("/")]);
    await expect.poll(() => greedy.closed).toBe(true);
    const modest = client(port, ["/never", ...Array<string>(9).fill("/")]);
    await expectAll(client(port, ["/", "/"]), 2);
    expect(modest.closed).toBe(false);
  });
});

describe("unread responses", () => {
  it("close their connections, the largest first, until the rest is within the limit", async () => {
    const sizes: Record<string, number> = { "/small": 20, "/large": 40 };
    const port = await serve(
      (request, response) => {
        response.end(Buffer.alloc((sizes[request.url!] ?? 0) * 2 ** 20));
      },
      { unreadBytes: 50 * 2 ** 20 },
    );
    const small = client(port, ["/small"], false);
    await sleep(100);
    const large = client(port, ["/large"], false);
    // Only a client that reads notices that the connection was closed.
    await sleep(300);
    large.socket.resume();
    await expect.poll(() => large.closed).toBe(true);
    expect(large.socket.bytesRead).toBeLessThan(40 * 2 ** 20);
    small.socket.resume();
    await expect.poll(() => small.socket.bytesRead).toBeGreaterThan(20 * 2 ** 20);
    expect(small.closed).toBe(false);
  });

  it("are no problem if they are read in time", async () => {
    const port = await serve((_request, response) => void response.end(Buffer.alloc(2 ** 20)), {
      unreadBytes: 1.5 * 2 ** 20,
      checkInterval: 1,
    });
    const reader = client(port, ["/", "/", "/"]);
    await expect.poll(() => reader.socket.bytesRead).toBeGreaterThan(3 * 2 ** 20);
    expect(reader.closed).toBe(false);
  });
});

describe("a connection without traffic", () => {
  const large = Buffer.alloc(30 * 2 ** 20);

  it("is closed when a response is not read", async () => {
    const port = await serve((_request, response) => void response.end(large), {}, 100);
    const { socket } = client(port, ["/"], false);
    await sleep(400);
    socket.resume();
    await expect.poll(() => socket.destroyed).toBe(true);
    expect(socket.bytesRead).toBeLessThan(large.length);
  });

  it("stays open while its response is being prepared", async () => {
    const answer: RequestListener = (_request, response) => void setTimeout(() => response.end("[]"), 500);
    const port = await serve(answer, {}, 100);
    await expectAll(client(port, ["/"]), 1);
  });

  it("is closed when it is idle", async () => {
    const port = await serve((_request, response) => void response.end("[]"), {}, 100);
    const state = await expectAll(client(port, ["/"]), 1);
    await expect.poll(() => state.closed, { timeout: 3000 }).toBe(true);
  });
});

/** Waits for a number of responses. */
async function expectAll<T extends { readonly text: string }>(state: T, answers: number): Promise<T> {
  await expect.poll(() => state.text.split("]").length - 1).toBe(answers);
  return state;
}
