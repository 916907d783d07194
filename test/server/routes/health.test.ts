import { expect, it } from "vitest";
import { setUpServer } from "../../support/http-server.js";

it("/-/healthy and /-/ready", async () => {
  const ready = await setUpServer();
  expect(await ready.get("/-/healthy")).toMatchObject({ status: 200, text: "healthy\n" });
  expect((await ready.get("/-/ready")).status).toBe(200);
  const starting = await setUpServer({ notReady: ["the first scan is not done yet", "nor the second"] });
  expect((await starting.get("/-/healthy")).status).toBe(200);
  expect(await starting.get("/-/ready")).toMatchObject({
    status: 503,
    text: "not ready: the first scan is not done yet; nor the second\n",
  });
});
