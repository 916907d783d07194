import { describe, expect, it } from "vitest";
import { setUpServer } from "../../support/http-server.js";

const hours = 3_600_000;

describe("/federate over origins with clocks of their own", () => {
  it("gives the origin's own time of the scrape where its clock is that of this node, give or take", async () => {
    const { get, put, clock } = await setUpServer();
    const scrapedAt = clock.now() + 4900;
    put({ origin: "n2", text: "a 1\n", scrapedAt });
    clock.advance(20);
    const { headers, text } = await get("/federate");
    expect(text).toBe(`a{job="shop_web",instance="shop_web.1"} 1 ${scrapedAt}\n`);
    expect(headers["x-clock-offset"]).toBeUndefined();
  });

  it.each([
    ["ahead", 2 * hours, "n2=7200.0"],
    ["behind", -5.2 * 1000, "n2=-5.2"],
  ])("gives no time for an origin whose clock is far %s, and names it", async (_, offset, told) => {
    const { get, put, clock } = await setUpServer();
    const at = clock.now();
    put({ text: "a 1\n" });
    put({
      id: "docker:2",
      replica: "2",
      origin: "n2",
      text: "a 2\nb 3 1700000000000\n",
      scrapedAt: at + offset,
    });
    for (const path of ["/federate", "/web/federate"]) {
      const { headers, text } = await get(path);
      expect(text).toContain(`a{job="shop_web",instance="shop_web.1"} 1 ${at}\n`);
      expect(text).toContain('a{job="shop_web",instance="shop_web.2"} 2\n');
      // What the target itself says is the target's word.
      expect(text).toContain('b{job="shop_web",instance="shop_web.2"} 3 1700000000000\n');
      expect(headers["x-clock-offset"]).toBe(told);
    }
  });
});
