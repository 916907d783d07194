import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { request } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import { type Connections, createConnections } from "../../src/scan/connections.js";

let connections: Connections | undefined;
let server: Server | undefined;

afterEach(async () => {
  await connections?.close();
  connections = undefined;
  server?.closeAllConnections();
  server?.close();
});

/** Responds with the number of the connection; a request for /hang gets no response. */
async function serve(): Promise<string> {
  const numbers = new WeakMap<object, number>();
  let opened = 0;
  server = createServer((request, response) => {
    if (request.url !== "/hang") response.end(String(numbers.get(request.socket)));
  });
  server.on("connection", (socket) => numbers.set(socket, ++opened));
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function get(url: string, signal?: AbortSignal): Promise<string> {
  connections ??= createConnections({});
  return connections.lend(url, async (dispatcher) => {
    const { body } = await request(url, { dispatcher, ...(signal === undefined ? {} : { signal }) });
    return await body.text();
  });
}

describe("connections to targets", () => {
  it("are reused", async () => {
    const url = await serve();
    expect([await get(url), await get(url), await get(url)]).toEqual(["1", "1", "1"]);
  });

  it("are not blocked by a request that hangs on the same host and port", async () => {
    const url = await serve();
    const abort = new AbortController();
    const hanging = get(`${url}/hang`, abort.signal).catch(() => "aborted");
    const responses = await Promise.all(Array.from({ length: 10 }, () => get(url)));
    expect(responses).not.toContain("1");
    abort.abort();
    expect(await hanging).toBe("aborted");
  });

  it("are replaced after a request was aborted", async () => {
    const url = await serve();
    await expect(get(`${url}/hang`, AbortSignal.timeout(50))).rejects.toThrow();
    expect(await get(url)).toBe("2");
  });
});
