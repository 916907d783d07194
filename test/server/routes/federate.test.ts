import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { setUpServer, statusOf } from "../../support/http-server.js";
import { open } from "../../support/raw-client.js";

describe("/federate", () => {
  it("has every sample with its job, instance and the timestamp of its scrape", async () => {
    const { get, put, clock } = await setUpServer();
    const first = clock.now();
    put({ text: "# TYPE a gauge\na 1\n" });
    clock.advance(2);
    put({ id: "docker:2", job: "db", names: ["db"], text: `# TYPE a gauge\na{job="x"} 2\nb 3 ${first}\n` });
    const { status, headers, text } = await get("/federate");
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text.split("\n").sort()).toEqual(
      [
        "",
        "# TYPE a gauge",
        `a{job="db",instance="db.1",exported_job="x"} 2 ${first + 2000}`,
        `a{job="shop_web",instance="shop_web.1"} 1 ${first}`,
        `b{job="db",instance="db.1"} 3 ${first}`,
      ].sort(),
    );
  });

  it("has nothing of a scrape without samples", async () => {
    const { get, put, node } = await setUpServer();
    put({ text: "", samples: 0 });
    node("n2").put({ id: "docker:2", replica: "2", text: "# HELP a Nothing yet.\n", samples: 0 });
    expect(await get("/federate")).toMatchObject({ status: 200, text: "" });
    put({ id: "docker:3", job: "db", names: ["db"], text: "b 1\n" });
    expect((await get("/federate")).text).toMatch(/^b\{job="db",instance="db\.1"\} 1 \d+\n$/);
    expect((await get("/web/federate")).status).toBe(200);
  });

  it("has one service under its name, and several with ?name=", async () => {
    const { get, put } = await setUpServer();
    put({ text: "a 1\n" });
    put({ id: "docker:2", job: "db", names: ["db"], text: "b 1\n" });
    put({ id: "docker:3", job: "mail", names: ["mail"], text: "c 1\n" });
    expect((await get("/db/federate")).text).toMatch(/^b\{[^\n]*\n$/);
    const some = (await get("/federate?name=web&name=db&name=shop_web")).text;
    expect(some.match(/^a\{/gm)).toHaveLength(1);
    expect(some).toMatch(/^b\{/m);
    expect(some).not.toMatch(/^c\{/m);
  });

  it("omits names without fresh metrics, and is 404 for an unknown name", async () => {
    const { get, put } = await setUpServer({
      targets: [statusOf({ state: "down", reason: "connection refused" }, { names: ["sick"], job: "sick" })],
    });
    put();
    expect((await get("/federate?name=web&name=sick")).status).toBe(200);
    expect((await get("/sick/federate")).status).toBe(503);
    expect((await get("/federate?name=web&name=none")).status).toBe(404);
  });

  it("is 400 for too many names, instead of incomplete", async () => {
    const { get, put } = await setUpServer();
    const names = Array.from({ length: 1001 }, (_, index) => `s${index}`);
    for (const [index, name] of names.entries()) put({ id: `docker:${index}`, job: name, names: [name] });
    const requestOf = (some: readonly string[]) =>
      get(`/federate?${some.map((name) => `name=${name}`).join("&")}`);
    expect((await requestOf(names)).status).toBe(400);
    expect((await requestOf(names.slice(1))).text.split("\n")).toHaveLength(1000 + 1);
    expect((await requestOf([...names.slice(1), "s7"])).status).toBe(200);
  });

  it("finds every name among many other parameters", async () => {
    const { get, put } = await setUpServer();
    put();
    expect((await get(`/federate?name=web&${"a&".repeat(1000)}name=none`)).status).toBe(404);
  });

  it.each([404, 503])(
    "searches for the reason of a %s once, however many names there are",
    async (status) => {
      let looks = 0;
      const sick = statusOf({ state: "down" }).target;
      const names = Array.from({ length: 300 }, (_, index) => `sick${index}`);
      const target = {
        ...sick,
        get names() {
          looks++;
          return status === 503 ? names : ["sick"];
        },
      };
      const { get } = await setUpServer({ targets: [{ ...statusOf({ state: "down" }), target }] });
      expect((await get(`/federate?${names.map((name) => `name=${name}`).join("&")}`)).status).toBe(status);
      expect(looks).toBeLessThan(10);
    },
  );

  it("is empty without any scrapes", async () => {
    const { get } = await setUpServer();
    expect(await get("/federate")).toMatchObject({ status: 200, text: "" });
  });

  it("is compressed for clients that accept gzip, and has no body for HEAD", async () => {
    const { get, put } = await setUpServer();
    put();
    const { headers, body } = await get("/federate", { "accept-encoding": "gzip" });
    expect(headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(body).toString()).toBe((await get("/federate")).text);
    expect(await get("/federate", {}, "HEAD")).toMatchObject({ status: 200, text: "" });
  });
});

describe("/federate with origins whose clocks differ", () => {
  it("has the origin's timestamp if its clock differs only slightly", async () => {
    const { get, put, clock } = await setUpServer();
    const scrapedAt = clock.now() + 4900;
    put({ origin: "n2", text: "a 1\n", scrapedAt });
    clock.advance(20);
    const { headers, text } = await get("/federate");
    expect(text).toBe(`a{job="shop_web",instance="shop_web.1"} 1 ${scrapedAt}\n`);
    expect(headers["x-clock-offset"]).toBeUndefined();
  });

  it.each([
    ["ahead", 599.9, "n2=599.9"],
    ["behind", -5.2, "n2=-5.2"],
  ])(
    "has its timestamp if the clock is up to 10 minutes %s, and names the origin",
    async (_, offset, header) => {
      const { get, put, clock } = await setUpServer();
      const at = clock.now();
      put({ text: "a 1\n" });
      put({ id: "docker:2", replica: "2", origin: "n2", text: "a 2\n", scrapedAt: at + offset * 1000 });
      for (const path of ["/federate", "/web/federate"]) {
        const { headers, text } = await get(path);
        expect(text).toContain(`a{job="shop_web",instance="shop_web.1"} 1 ${at}\n`);
        expect(text).toContain(`a{job="shop_web",instance="shop_web.2"} 2 ${at + offset * 1000}\n`);
        expect(headers["x-clock-offset"]).toBe(header);
      }
    },
  );

  it.each([
    ["ahead", 7200, "n2=7200.0"],
    ["behind", -600.1, "n2=-600.1"],
  ])(
    "omits its samples if the clock is more than 10 minutes %s, and names the origin",
    async (_, offset, header) => {
      const { get, put, clock } = await setUpServer();
      const at = clock.now();
      put({ text: "a 1\n" });
      put({
        id: "docker:2",
        replica: "2",
        origin: "n2",
        text: "a 2\nb 3 1700000000000\n",
        samples: 2,
        scrapedAt: at + offset * 1000,
      });
      for (const path of ["/federate", "/web/federate"]) {
        const { headers, text } = await get(path);
        expect(text).toContain(`a{job="shop_web",instance="shop_web.1"} 1 ${at}\n`);
        expect(text).not.toContain("shop_web.2");
        expect(headers["x-clock-offset"]).toBe(header);
      }
    },
  );
});

describe("/federate for many clients at once", () => {
  const long = Array.from({ length: 20_000 }, (_, index) => `a{b="${index}"} 1\n`).join("");

  it("is prepared once", async () => {
    const { get, put, responses } = await setUpServer();
    put({ text: long });
    let reads = 0;
    const read = responses.reader.read.bind(responses.reader);
    responses.reader.read = (...args) => {
      reads++;
      return read(...args);
    };
    const all = await Promise.all(
      Array.from({ length: 50 }, () => get("/federate", { "accept-encoding": "gzip" })),
    );
    expect(new Set(all.map(({ body }) => body.toString("latin1"))).size).toBe(1);
    expect(reads).toBe(1);
  });

  it("is 503 with Retry-After if they request more different responses than can wait", async () => {
    const { get, put } = await setUpServer();
    const names = Array.from({ length: 60 }, (_, index) => `s${index}`);
    for (const name of names) put({ id: `docker:${name}`, job: name, names: [name], text: long });
    const all = await Promise.all(names.map((name) => get(`/federate?name=s0&name=s1&name=${name}`)));
    const refused = all.filter(({ status }) => status === 503);
    expect(all.filter(({ status }) => status === 200).length).toBeGreaterThan(30);
    expect(refused.length).toBeGreaterThan(0);
    for (const { headers } of refused) expect(Number(headers["retry-after"])).toBeGreaterThan(0);
  });

  it("stops being prepared when they have disconnected", async () => {
    const { port, put, responses } = await setUpServer();
    for (let index = 0; index < 200; index++) put({ id: `docker:${index}`, replica: `${index}`, text: long });
    let reads = 0;
    const read = responses.reader.read.bind(responses.reader);
    responses.reader.read = (...args) => {
      reads++;
      return read(...args);
    };
    const socket = open(port);
    socket.write("GET /federate HTTP/1.1\r\nHost: a\r\n\r\n");
    await expect.poll(() => reads, { interval: 1 }).toBeGreaterThan(0);
    socket.destroy();
    await sleep(300);
    const before = reads;
    await sleep(300);
    expect(reads).toBe(before);
    expect(reads).toBeLessThan(200);
  });
});
