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

/** Answers with the number of the connection, except under /hang: never. */
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

function ask(url: string, signal?: AbortSignal): Promise<string> {
  connections ??= createConnections({});
  return connections.lend(url, async (dispatcher) => {
    const { body } = await request(url, { dispatcher, ...(signal === undefined ? {} : { signal }) });
    return await body.text();
  });
}

describe("the connections to targets", () => {
  it("are kept for the next time", async () => {
    const url = await serve();
    expect([await ask(url), await ask(url), await ask(url)]).toEqual(["1", "1", "1"]);
  });

  it("do not make one wait for another that hangs on the same host and port", async () => {
    const url = await serve();
    const enough = new AbortController();
    const hanging = ask(`${url}/hang`, enough.signal).catch(() => "called off");
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(url)));
    expect(answers).not.toContain("1");
    enough.abort();
    expect(await hanging).toBe("called off");
  });

  it("are there again after one was called off", async () => {
    const url = await serve();
    await expect(ask(`${url}/hang`, AbortSignal.timeout(50))).rejects.toThrow();
    expect(await ask(url)).toBe("2");
  });
});
