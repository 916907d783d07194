import { describe, expect, it } from "vitest";
import { setUpServer } from "../../support/http-server.js";

const damaged = { id: "docker:2", replica: "2", gzip: Buffer.from("no gzip at all") };

describe("a damaged scrape", () => {
  it("is omitted from a merge, and listed by /targets", async () => {
    const { get, put } = await setUpServer();
    put({ text: "a 1\n" });
    put(damaged);
    put({ id: "docker:3", replica: "3", text: "a 3\n" });
    const { status, text } = await get("/web/metrics");
    expect(status).toBe(200);
    expect(text).toBe('a{instance="shop_web.1"} 1\na{instance="shop_web.3"} 3\n');
    const targets = await get("/targets");
    expect(targets.status).toBe(200);
    expect(JSON.parse(targets.text).mergeConflicts).toEqual([
      { instance: "shop_web.2", reason: "cached scrape cannot be inflated: incorrect header check" },
    ]);
  });

  it("is omitted from /federate", async () => {
    const { get, put } = await setUpServer();
    put({ text: "a 1\n" });
    put(damaged);
    put({ id: "docker:3", replica: "3", text: "a 3\n" });
    const { status, text } = await get("/federate");
    expect(status).toBe(200);
    expect(text.match(/instance="[^"]*"/g)).toEqual(['instance="shop_web.1"', 'instance="shop_web.3"']);
  });

  it("is 503 with the reason if it is the only one, and breaks no other response", async () => {
    const { get, put } = await setUpServer();
    put(damaged);
    expect(await get("/web/metrics")).toMatchObject({
      status: 503,
      text: "nothing to serve until the next scrape: shop_web.2: cached scrape cannot be inflated: incorrect header check\n",
    });
    expect((await get("/targets")).status).toBe(200);
    expect((await get("/federate")).status).toBe(200);
  });

  it("is replaced by the next scrape", async () => {
    const { get, put } = await setUpServer();
    put(damaged);
    await get("/web/metrics");
    put({ id: "docker:2", replica: "2", text: "a 2\n" });
    expect(await get("/web/metrics")).toMatchObject({ status: 200, text: "a 2\n" });
    expect(JSON.parse((await get("/targets")).text).mergeConflicts).toEqual([]);
  });
});
