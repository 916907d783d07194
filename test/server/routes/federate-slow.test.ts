import { describe, expect, it, onTestFinished } from "vitest";
import { setUpServer } from "../../support/http-server.js";
import { open } from "../../support/raw-client.js";

describe("/federate for a client that reads", () => {
  it("a little now and then is cut off when its time is over, as what it waits for is held for it", async () => {
    const { port, put } = await setUpServer({ federateSeconds: 0.5 });
    const text = Array.from({ length: 2000 }, (_, index) => `a{b="${"x".repeat(1000)}${index}"} 1\n`).join(
      "",
    );
    for (let index = 0; index < 30; index++) put({ id: `docker:${index}`, replica: `${index}`, text });
    const socket = open(port);
    onTestFinished(() => void socket.destroy());
    socket.on("data", () => {
      socket.pause();
      setTimeout(() => socket.resume(), 20);
    });
    socket.write("GET /federate HTTP/1.1\r\nHost: a\r\n\r\n");
    await expect.poll(() => socket.destroyed, { timeout: 15_000 }).toBe(true);
    expect(socket.bytesRead).toBeLessThan(30 * text.length);
  });

  it("all of it in time has all of it", async () => {
    const { get, put } = await setUpServer({ federateSeconds: 5 });
    put();
    expect((await get("/federate")).text).toMatch(/^up\{.*\n$/);
  });
});
