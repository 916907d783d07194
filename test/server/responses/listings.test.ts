import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { arrayPieces, objectPieces } from "../../../src/server/responses/listings.js";
import { setUpServer, statusOf } from "../../support/http-server.js";

describe("objectPieces()", () => {
  it("yields the JSON of an object, each item of a list separately", () => {
    function* squares() {
      for (const n of [1, 2, 3]) yield { n, square: n * n };
    }
    const pieces = [
      ...objectPieces({ a: 1, none: undefined, list: squares(), empty: [], b: { c: "\u202e" } }),
    ];
    expect(pieces.join("")).toBe(
      '{"a":1,"list":[{"n":1,"square":1},{"n":2,"square":4},{"n":3,"square":9}],"empty":[],"b":{"c":"\\u202e"}}',
    );
    expect(pieces).toContain(',{"n":2,"square":4}');
  });

  it("yields an empty object and an empty array", () => {
    expect([...objectPieces({ a: undefined })].join("")).toBe("{}");
    expect([...arrayPieces([])].join("")).toBe("[]");
  });
});

describe("Listings", () => {
  const targets = Array.from({ length: 10_000 }, (_, index) =>
    statusOf({}, { id: `test:${index}`, replica: `${index}` }),
  );

  it("responds to other requests while it makes a long list", async () => {
    const { get } = await setUpServer({ targets });
    let done = false;
    const list = get("/discovery").finally(() => {
      done = true;
    });
    let others = 0;
    for (; !done; others++) await get("/-/healthy");
    expect(JSON.parse((await list).text)).toHaveLength(targets.length);
    expect(others).toBeGreaterThan(10);
  });

  it("compresses for clients that accept it", async () => {
    const { get } = await setUpServer({ targets });
    const { headers, body } = await get("/discovery", { "accept-encoding": "gzip" });
    expect(headers["content-encoding"]).toBe("gzip");
    expect(JSON.parse(gunzipSync(body).toString())).toHaveLength(targets.length);
  });

  it("responds 503 if it has no memory for a list", async () => {
    const { get } = await setUpServer({ targets, responseBytes: 1024 * 1024 });
    expect(await get("/discovery")).toMatchObject({ status: 503, text: "too large to list\n" });
  });
});
