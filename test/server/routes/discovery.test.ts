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
          __param_own: "1",
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
  const web = { names: ["web", "shop_web"], job: "shop_web" };

  it("lists only the replicas of nodes with ADVERTISE_ADDRESS, each once", async () => {
    const own = statusOf({}, { ...web, replica: "1" });
    const { get, put, node, clock } = await setUpServer({ targets: [own] });
    put({ id: own.target.id });
    node("n2").advertise = "n2.example.org:2137";
    node("n4").advertise = "http://n4 /";
    node("n2").put({ id: "docker:2", replica: "2" });
    node("n3").put({ id: "docker:3", replica: "3" });
    node("n4").put({ id: "docker:4", replica: "4" });
    node("n2").list({ id: "docker:6", replica: "6", state: "down" }, { id: "docker:7", state: "gone" });
    node("n2").list({ id: "docker:8", replica: "8", state: "no metrics" });
    // It moved here from n2, which still lists it.
    node("n2").put({ id: "docker:5", replica: "1" });
    const { text } = await get("/discovery", { host: "node1:2137" });
    const listed = [
      ["/shop_web/1/metrics", "node1", "node1:2137"],
      ["/shop_web/2/metrics", "n2", "n2.example.org:2137"],
      ["/shop_web/6/metrics", "n2", "n2.example.org:2137"],
    ];
    expect(advertised(text)).toEqual(listed);
    // The same as long as the node is known: its replicas look down, instead of disappearing.
    clock.advance(31);
    expect(advertised((await get("/discovery", { host: "node1:2137" })).text)).toEqual(listed);
  });

  it("lists a replica that moved between other nodes at its new node", async () => {
    const { get, node, clock } = await setUpServer();
    for (const name of ["n2", "n3"]) node(name).advertise = `${name}:2137`;
    node("n3").put({ id: "docker:3", startedAt: clock.now() - 60_000 });
    node("n2").put({ id: "docker:2", startedAt: clock.now() - 10_000 });
    expect(advertised((await get("/discovery")).text)).toEqual([["/shop_web/1/metrics", "n2", "n2:2137"]]);
  });

  it("labels a replica as its own node does", async () => {
    const labels = { "com.docker.swarm.service.name": "shop_web", "team.name": "a" };
    const target = { id: "docker:2", ...web, replica: "2", title: "shop_web.2.x", image: "web:1", labels };
    const address = "n2.example.org:2137";
    const own = await setUpServer({
      targets: [statusOf({}, { ...target, scope: "replicated", stack: "shop" })],
      advertiseAddress: address,
      replication: { status: { ...replicationStatus, origin: "n2" } },
    });
    const other = await setUpServer();
    other.node("n2").advertise = address;
    other.node("n2").list(target);
    const { text } = await other.get("/discovery");
    expect(JSON.parse(text)).toHaveLength(1);
    expect(JSON.parse(text)).toEqual(JSON.parse((await own.get("/discovery")).text));
  });
});

describe("/discovery in Swarm mode", () => {
  it("has the labels of dockerswarm_sd_configs", async () => {
    const labels = {
      "com.docker.swarm.service.id": "s1",
      "com.docker.swarm.service.name": "shop_web",
      "com.docker.swarm.task.id": "t1",
      "com.docker.swarm.task.name": "shop_web.3.t1",
      "com.docker.swarm.node.id": "nodeid1",
      "com.docker.stack.namespace": "shop",
    };
    const target = { names: ["web"], job: "shop_web", replica: "3", scope: "replicated" as const, labels };
    const global = {
      id: "docker:2",
      names: ["x"],
      job: "x",
      replica: "node1",
      scope: "global" as const,
      labels,
    };
    const { get, publisher } = await setUpServer({
      targets: [statusOf({}, { ...target, id: "docker:abc" }), statusOf({}, global)],
    });
    publisher.swarm({
      services: [{ id: "s1", name: "shop_web", labels: { "prometheus-job": "web" }, replicas: 3 }],
      tasks: [],
    });
    const [first, second] = JSON.parse((await get("/discovery")).text);
    const found = Object.entries(first.labels).filter(([name]) => name.startsWith("__meta_dockerswarm_"));
    expect(Object.fromEntries(found)).toEqual({
      __meta_dockerswarm_service_id: "s1",
      __meta_dockerswarm_service_name: "shop_web",
      __meta_dockerswarm_service_mode: "replicated",
      __meta_dockerswarm_service_label_prometheus_job: "web",
      __meta_dockerswarm_task_id: "t1",
      __meta_dockerswarm_task_slot: "3",
      __meta_dockerswarm_task_container_id: "abc",
      __meta_dockerswarm_task_state: "running",
      __meta_dockerswarm_task_desired_state: "running",
      __meta_dockerswarm_node_id: "nodeid1",
      __meta_dockerswarm_node_hostname: "node1",
      __meta_dockerswarm_container_label_com_docker_swarm_service_id: "s1",
      __meta_dockerswarm_container_label_com_docker_swarm_service_name: "shop_web",
      __meta_dockerswarm_container_label_com_docker_swarm_task_id: "t1",
      __meta_dockerswarm_container_label_com_docker_swarm_task_name: "shop_web.3.t1",
      __meta_dockerswarm_container_label_com_docker_swarm_node_id: "nodeid1",
      __meta_dockerswarm_container_label_com_docker_stack_namespace: "shop",
    });
    expect(second.labels).toMatchObject({
      __meta_dockerswarm_service_mode: "global",
      __meta_dockerswarm_task_slot: "0",
    });
  });
});

const replicationStatus = { manager: false, peers: [], cutOff: [], sharedNames: [], origins: [] };
