import { createConnection } from "node:net";
import { describe, expect, it } from "vitest";
import { silentLogger } from "../../src/logging.js";
import { Scheduler } from "../../src/scheduler.js";
import { startHttpServer } from "../../src/server/http-server.js";
import { createTelemetry } from "../../src/telemetry.js";
import { freePort } from "../support/free-port.js";
import { setUpServer } from "../support/http-server.js";

describe("the server", () => {
  it("returns 404 for any other spelling of its paths", async () => {
    const { get } = await setUpServer();
    for (const path of ["/Targets", "/targets/", "/-/", "/nothing", "/a/b/c/metrics"]) {
      expect((await get(path)).status, path).toBe(404);
    }
  });

  it("returns 400 for a path that cannot be decoded", async () => {
    const { get } = await setUpServer();
    expect(await get("/%zz/metrics")).toMatchObject({ status: 400, text: "bad request\n" });
  });

  it("reports which address is not available, and why", async () => {
    const { port } = await setUpServer();
    const context = {
      telemetry: createTelemetry("0"),
      logger: silentLogger,
      scheduler: new Scheduler(),
    } as never;
    const again = startHttpServer({ host: "127.0.0.1", port }, context).catch(
      (error: Error) => error.message,
    );
    await expect(again).resolves.toBe(
      `cannot listen on LISTEN_ADDRESS 127.0.0.1:${port}: another program listens on it`,
    );
  });

  it("stops while a client keeps its connection open, and frees the port", async () => {
    const port = await freePort();
    const context = {
      telemetry: createTelemetry("0"),
      logger: silentLogger,
      scheduler: new Scheduler(),
    } as never;
    const server = await startHttpServer({ host: "127.0.0.1", port }, context);
    const socket = createConnection(port, "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.write("GET / HTTP/1.1\r\n");
    await server.stop();
    socket.destroy();
    const again = await startHttpServer({ host: "127.0.0.1", port }, context);
    await again.stop();
  });
});
