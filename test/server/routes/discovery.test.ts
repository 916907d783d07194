import { describe, expect, it } from "vitest";
import { setUpServer, statusOf } from "../../support/http-server.js";

describe("/discovery", () => {
  const labels = { "com.docker.stack.namespace": "shop", "metrics.port": "8080" };
  const targets = [
    statusOf(
      {},
      {
        names: ["web", "shop_web"],
        job: "shop_web",
        replica: "1",
        stack: "shop",
        title: "shop_web.1.x",
        image: "web:1",
        labels,
      },
    ),
    statusOf({ state: "down" }, { id: "test:2", names: ["db"], job: "db", replica: "node1" }),
    statusOf({ state: "no metrics" }, { id: "test:3" }),
    statusOf({ state: "pending" }, { id: "test:4" }),
  ];

  it("lists one target per replica with metrics, in http_sd format", async () => {
    const { get } = await setUpServer({ targets, advertiseAddress: "node1.example.org:2137" });
    const { status, headers, text } = await get("/discovery");
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(JSON.parse(text)).toEqual([
      {
        targets: ["node1.example.org:2137"],
        labels: {
          __metrics_path__: "/shop_web/1/metrics",
          __meta_app_metrics_proxy_name: "web",
          __meta_app_metrics_proxy_service: "shop_web",
          __meta_app_metrics_proxy_stack: "shop",
          __meta_app_metrics_proxy_replica: "1",
          __meta_app_metrics_proxy_node: "node1",
          __meta_app_metrics_proxy_container: "shop_web.1.x",
          __meta_app_metrics_proxy_image: "web:1",
          __meta_app_metrics_proxy_state: "up",
          __meta_app_metrics_proxy_label_com_docker_stack_namespace: "shop",
          __meta_app_metrics_proxy_label_metrics_port: "8080",
        },
      },
      expect.objectContaining({
        labels: expect.objectContaining({ __meta_app_metrics_proxy_state: "down" }),
      }),
    ]);
  });

  it("is an empty list without targets", async () => {
    expect((await (await setUpServer()).get("/discovery")).text).toBe("[]");
  });

  it("uses the Host header without ADVERTISE_ADDRESS", async () => {
    const { get, port } = await setUpServer({ targets });
    expect(JSON.parse((await get("/discovery")).text)[0].targets).toEqual([`127.0.0.1:${port}`]);
    expect((await get("/discovery", { host: "a b" })).status).toBe(400);
  });

  it("is 503 while the list is incomplete", async () => {
    const failing = { since: 0, reason: "the engine is away" };
    const broken = await setUpServer({ targets, providers: [{ name: "docker", failing }] });
    expect(await broken.get("/discovery")).toMatchObject({
      status: 503,
      text: expect.stringContaining("the engine is away"),
    });
    const starting = await setUpServer({ targets, notReady: ["the first scan is not done yet"] });
    expect((await starting.get("/discovery")).status).toBe(503);
  });
});

describe("/discovery on other nodes", () => {
  const advertised = (text: string) =>
    (JSON.parse(text) as { targets: string[]; labels: Record<string, string> }[]).map(
      ({ targets, labels }) => [
        labels["__metrics_path__"],
        labels["__meta_app_metrics_proxy_node"],
        ...targets,
      ],
    );

  it("lists each replica once, at the address of its node, or at this node's if that one published none", async () => {
    const own = statusOf({}, { names: ["web", "shop_web"], job: "shop_web", replica: "1" });
    const { get, put, node, clock } = await setUpServer({
      targets: [own],
      advertiseAddress: "node1.example.org:2137",
    });
    put({ id: own.target.id });
    node("n2").advertise = "n2.example.org:2137";
    node("n4").advertise = "http://n4 /";
    node("n2").put({ id: "docker:2", replica: "2" });
    node("n3").put({ id: "docker:3", replica: "3" });
    node("n4").put({ id: "docker:4", replica: "a b" });
    // It moved here from n2, which still lists it.
    node("n2").put({ id: "docker:5", replica: "1" });
    const { text } = await get("/discovery");
    expect(advertised(text)).toEqual([
      ["/shop_web/1/metrics", "node1", "node1.example.org:2137"],
      ["/shop_web/2/metrics", "n2", "n2.example.org:2137"],
      ["/shop_web/3/metrics", "n3", "node1.example.org:2137"],
      ["/shop_web/a b/metrics", "n4", "node1.example.org:2137"],
    ]);
    clock.advance(31);
    expect(advertised((await get("/discovery")).text)).toHaveLength(1);
  });

  it("labels replicas of other nodes from their scrapes", async () => {
    const { get, node } = await setUpServer({ advertiseAddress: "node1.example.org:2137" });
    node("n2").put({ replica: "2" });
    expect(JSON.parse((await get("/discovery")).text)[0].labels).toEqual({
      __metrics_path__: "/shop_web/2/metrics",
      __meta_app_metrics_proxy_name: "web",
      __meta_app_metrics_proxy_service: "shop_web",
      __meta_app_metrics_proxy_stack: "shop",
      __meta_app_metrics_proxy_replica: "2",
      __meta_app_metrics_proxy_node: "n2",
      __meta_app_metrics_proxy_state: "up",
    });
  });
});
