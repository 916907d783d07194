import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { targetKeyOf } from "../../../src/archive/target-key.js";
import { setUpServer, statusOf, withoutReports } from "../../support/http-server.js";
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
    expect(withoutReports(text).split("\n").sort()).toEqual(
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
    const { status, text } = await get("/federate");
    expect(status).toBe(200);
    expect(withoutReports(text)).toBe("");
    put({ id: "docker:3", job: "db", names: ["db"], text: "b 1\n" });
    expect(withoutReports((await get("/federate")).text)).toMatch(/^b\{job="db",instance="db\.1"\} 1 \d+\n$/);
    expect((await get("/web/federate")).status).toBe(200);
  });

  it("has one service under its name, and several with ?name=", async () => {
    const { get, put } = await setUpServer();
    put({ text: "a 1\n" });
    put({ id: "docker:2", job: "db", names: ["db"], text: "b 1\n" });
    put({ id: "docker:3", job: "mail", names: ["mail"], text: "c 1\n" });
    expect(withoutReports((await get("/db/federate")).text)).toMatch(/^b\{[^\n]*\n$/);
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
    expect((await requestOf(names.slice(1))).text.match(/^up\{/gm)).toHaveLength(1000);
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
    expect(withoutReports(text)).toBe(`a{job="shop_web",instance="shop_web.1"} 1 ${scrapedAt}\n`);
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

describe("/federate as OpenMetrics", () => {
  const contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";
  const accept = { accept: "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5" };

  it("keeps exemplars if all sources have that format and the client accepts it, with the same times", async () => {
    const { get, put, clock } = await setUpServer();
    const text = '# TYPE a counter\na_total 1 # {b="c"} 1\n# EOF\n';
    for (const replica of ["1", "2"]) put({ id: `docker:${replica}`, replica, contentType, text });
    const { headers, text: sent } = await get("/federate", accept);
    expect(headers["content-type"]).toBe(contentType);
    const line = (replica: string) =>
      `a_total{job="shop_web",instance="shop_web.${replica}"} 1 ${clock.now() / 1000} # {b="c"} 1\n`;
    expect(sent.endsWith(`# TYPE a counter\n${line("1")}${line("2")}# EOF\n`)).toBe(true);
    expect((await get("/federate", { accept: "text/plain" })).text).toContain(`1"} 1 ${clock.now()}\n`);
    put({ id: "docker:3", replica: "3", text: "plain 1\n" });
    const mixed = await get("/federate", accept);
    expect(mixed.headers["content-type"]).toMatch(/^text\/plain/);
    expect(mixed.text).not.toContain("# {");
  });
});

describe("/federate?history=", () => {
  it("has every scrape of that time, oldest first in each series, and is without it as before", async () => {
    const { get, put, clock } = await setUpServer();
    const begun = clock.now();
    for (const value of [1, 2, 3]) {
      for (const replica of ["1", "2"]) put({ id: `docker:${replica}`, replica, text: `a ${value}\n` });
      clock.advance(10);
    }
    const line = (replica: string, value: number) =>
      `a{job="shop_web",instance="shop_web.${replica}"} ${value} ${begun + (value - 1) * 10_000}\n`;
    expect(withoutReports((await get("/federate?history=25")).text)).toBe(
      line("1", 2) + line("1", 3) + line("2", 2) + line("2", 3),
    );
    expect(withoutReports((await get("/web/federate?history=60")).text)).toMatch(
      line("1", 1) + line("1", 2) + line("1", 3),
    );
    expect(withoutReports((await get("/federate")).text)).toBe(line("1", 3) + line("2", 3));
  });

  it("has an unchanged response at the time of each scrape, and reads it once", async () => {
    const { get, put, clock, responses } = await setUpServer();
    const begun = clock.now();
    let reads = 0;
    const read = responses.reader.read.bind(responses.reader);
    responses.reader.read = (...args) => {
      reads++;
      return read(...args);
    };
    for (let cycle = 0; cycle < 5; cycle++) {
      put({ text: "# TYPE a gauge\na 1\n" });
      clock.advance(10);
    }
    const times = [...(await get("/federate?history=60")).text.matchAll(/^a\{.* 1 (\d+)$/gm)];
    expect(times.map(([, time]) => Number(time) - begun)).toEqual([0, 10_000, 20_000, 30_000, 40_000]);
    expect(reads).toBe(1);
  });

  it("includes targets that have ended, also under their name", async () => {
    const { get, node, clock } = await setUpServer();
    node("n2").put({ text: "a 1\n" });
    node("n2").list({ id: "docker:1", state: "gone" });
    clock.advance(1);
    for (const path of ["/federate", "/web/federate"]) {
      expect((await get(`${path}?history=10`)).text).toMatch(/^a\{/m);
    }
    expect((await get("/federate")).text).toBe("");
    expect((await get("/web/federate")).status).toBe(404);
  });

  it.each(["0", "-1", "", "x", "Infinity", "10&history=20"])("is 400 for %j", async (history) => {
    const { get, put } = await setUpServer({ history: 60 });
    put();
    const { status, text } = await get(`/federate?history=${history}`);
    expect(status).toBe(400);
    expect(text).toMatch(/^history must be a number of seconds above 0/);
  });

  it("is limited to HISTORY, so that nodes with different settings do not look down", async () => {
    const { get, put } = await setUpServer({ history: 60 });
    put({ text: "a 1\n" });
    const all = await get("/federate?history=60");
    expect(all.text).toMatch(/^a\{/m);
    expect(await get("/federate?history=600.5")).toMatchObject({ status: 200, text: all.text });
  });

  it("omits and reports the oldest scrapes if not all of them fit", async () => {
    const { get, put, clock } = await setUpServer({ responseBytes: 2 * 1024 * 1024 });
    const random = (cycle: number) =>
      Array.from({ length: 2000 }, (_, index) => `a{b="${Math.sin(index + cycle)}"} ${cycle}\n`).join("");
    for (let cycle = 0; cycle < 20; cycle++) {
      for (const replica of ["1", "2"]) put({ id: `docker:${replica}`, replica, text: random(cycle) });
      clock.advance(1);
    }
    const { status, headers, text } = await get("/federate?history=60");
    expect(status).toBe(200);
    const omitted = Number(headers["x-history-omitted"]);
    expect(omitted).toBeGreaterThan(10);
    expect(omitted).toBeLessThan(38);
    for (const replica of ["1", "2"]) {
      const values = [...text.matchAll(new RegExp(`^a\\{[^}]*shop_web.${replica}"[^}]*\\} (\\d+) `, "gm"))];
      const cycles = [...new Set(values.map(([, value]) => Number(value)))];
      expect(cycles.at(-1)).toBe(19);
      expect(cycles).toEqual(cycles.map((_, index) => 20 - cycles.length + index));
    }
    expect((await get("/federate")).headers["x-history-omitted"]).toBeUndefined();
  });
});

describe("the metrics about scrapes on /federate", () => {
  it("are those of each attempt, failures included", async () => {
    const { get, node, clock } = await setUpServer();
    const begun = clock.now();
    node("n2").put({ text: "a 1\nb 2\n", samples: 2, duration: 0.0123 });
    clock.advance(10);
    const failure = {
      target: targetKeyOf("docker:1"),
      ago: 0,
      duration: 0.5,
      outcome: { reason: "refused" },
    };
    node("n2").publish([failure]);
    const lines = (text: string) => text.split("\n").filter((line) => /^(up|scrape_)/.test(line));
    const labels = '{job="shop_web",instance="shop_web.1"}';
    expect(lines((await get("/federate")).text)).toEqual([
      `up${labels} 0 ${begun + 10_000}`,
      `scrape_duration_seconds${labels} 0.5 ${begun + 10_000}`,
      `scrape_samples_scraped${labels} 0 ${begun + 10_000}`,
    ]);
    expect(lines((await get("/federate?history=60")).text)).toEqual([
      `up${labels} 1 ${begun}`,
      `up${labels} 0 ${begun + 10_000}`,
      `scrape_duration_seconds${labels} 0.012 ${begun}`,
      `scrape_duration_seconds${labels} 0.5 ${begun + 10_000}`,
      `scrape_samples_scraped${labels} 2 ${begun}`,
      `scrape_samples_scraped${labels} 0 ${begun + 10_000}`,
    ]);
    clock.advance(31);
    // The service has no fresh metrics, and no attempt that is fresh.
    expect((await get("/web/federate")).status).toBe(503);
  });

  it("are sent for a service of which nothing could be scraped", async () => {
    const { get, node } = await setUpServer();
    node("n2").list({ id: "docker:1", state: "down" });
    node("n2").publish([
      { target: targetKeyOf("docker:1"), ago: 0, duration: 0.5, outcome: { reason: "refused" } },
    ]);
    const { status, text } = await get("/web/federate");
    expect(status).toBe(200);
    expect(text).toMatch(/^up\{job="shop_web",instance="shop_web\.1"\} 0 \d+$/m);
  });

  it("replace series of the target with the same name and no labels", async () => {
    const { get, put } = await setUpServer();
    put({ text: '# TYPE up counter\nup 7\nup{a="b"} 8\nup 9 1\nc 1\n', samples: 4 });
    const { text } = await get("/federate");
    expect(text.match(/^# TYPE up .*/gm)).toEqual(["# TYPE up gauge"]);
    expect(text.match(/^up.*\} \d/gm)).toEqual([
      'up{job="shop_web",instance="shop_web.1"} 1',
      'up{job="shop_web",instance="shop_web.1",a="b"} 8',
    ]);
    expect(text).toMatch(/^c\{/m);
  });
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
