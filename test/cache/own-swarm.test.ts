import { describe, expect, it } from "vitest";
import { OwnSwarm } from "../../src/cache/own-swarm.js";
import { silentLogger } from "../../src/logging.js";

const metrics = { "metrics.port": "80" };
const labels = { ...metrics, "prometheus-job": "web", "com.docker.stack.namespace": "shop" };
const service = { id: "1", name: "shop_web", labels };

describe("the published labels of services", () => {
  it("are all labels", () => {
    const swarm = new OwnSwarm(silentLogger);
    expect(swarm.update({ services: [service], tasks: [] })).toBe(true);
    expect(swarm.content?.services).toEqual([service]);
  });

  it("are those for metrics if another label is invalid", () => {
    const swarm = new OwnSwarm(silentLogger);
    const invalid = { ...service, id: "2", labels: { ...labels, other: "x".repeat(70_000) } };
    swarm.update({ services: [service, invalid], tasks: [] });
    expect(swarm.content?.services).toEqual([service, { ...invalid, labels: metrics }]);
  });

  it("are those for metrics if together they are too large for a publication", () => {
    const swarm = new OwnSwarm(silentLogger);
    const services = Array.from({ length: 1000 }, (_, index) => ({
      ...service,
      id: `${index}`,
      labels: { ...labels, other: "x".repeat(3000) },
    }));
    swarm.update({ services, tasks: [] });
    expect(swarm.content?.services).toEqual(services.map((one) => ({ ...one, labels: metrics })));
  });
});
