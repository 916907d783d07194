import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync, gzipSync } from "node:zlib";
import { request } from "undici";
import { describe, expect, it, onTestFinished } from "vitest";
import { MemoryBudget } from "../../../src/memory-budget.js";
import { HeldBodies } from "../../../src/server/responses/held-bodies.js";
import { sendExposition } from "../../../src/server/responses/send.js";
import { UnavailableError } from "../../../src/server/responses/work-queue.js";
import { open } from "../../support/raw-client.js";

const contentType = "text/plain; version=0.0.4; charset=utf-8";
const megabyte = 1024 * 1024;
/** Text that cannot be compressed well. */
const text = Buffer.from(Array.from({ length: 700_000 }, () => `${Math.random()}\n`).join(""));
const small = Buffer.from("a 1\n");

/** A server that sends an exposition to clients that accept gzip or do not. */
async function serve(plain: Buffer, maxBytes = 64 * megabyte) {
  const memory = new MemoryBudget(maxBytes);
  const bodies = new HeldBodies(memory);
  const gzip = gzipSync(plain, { level: 1 });
  const server = createServer(async (incoming, response) => {
    const gzipped = incoming.headers["accept-encoding"] === "gzip";
    const options = { gzipped, bodies, headers: { Age: "1" } };
    try {
      await sendExposition(response, { contentType, gzip, size: plain.length }, options);
    } catch (error) {
      expect(error).toBeInstanceOf(UnavailableError);
      response.statusCode = 503;
      response.end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { memory, gzip, port: (server.address() as AddressInfo).port };
}

async function get(port: number, encoding: string) {
  const headers = { "accept-encoding": encoding };
  const response = await request(`http://127.0.0.1:${port}/`, { headers });
  return { ...response, bytes: Buffer.from(await response.body.arrayBuffer()) };
}

describe.each([
  ["small", small],
  ["large", text],
])("a %s exposition", (_, plain) => {
  it.each(["gzip", "identity"])("is complete, with its length (%s)", async (encoding) => {
    const { memory, port } = await serve(plain);
    const { headers, bytes } = await get(port, encoding);
    expect((encoding === "gzip" ? gunzipSync(bytes) : bytes).equals(plain)).toBe(true);
    expect(headers).toMatchObject({ age: "1", "content-length": String(bytes.length) });
    await expect.poll(() => memory.used).toBe(0);
  });
});

describe("a large exposition for many clients that do not read", () => {
  it.each(["gzip", "identity"])("counts once, until they disconnect (%s)", async (encoding) => {
    const { gzip, memory, port } = await serve(text);
    const sockets = Array.from({ length: 50 }, () => open(port));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    for (const socket of sockets) {
      socket.pause();
      socket.write(`GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: ${encoding}\r\n\r\n`);
    }
    await expect.poll(() => memory.used).toBe(gzip.length);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => memory.used).toBe(0);
  });

  it("is 503 if it does not fit", async () => {
    const { port } = await serve(text, megabyte);
    expect((await get(port, "gzip")).statusCode).toBe(503);
  });
});
