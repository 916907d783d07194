import { describe, expect, it } from "vitest";
import { metricsLabels, serviceLabelsOf, withServiceLabels } from "../../src/model/service-labels.js";

describe("the labels of a service", () => {
  const services = serviceLabelsOf([
    { id: "service1", name: "web", labels: { "metrics.port": "1201", "metrics.path": "/m" }, replicas: 2 },
  ]);
  const container = { "com.docker.swarm.service.id": "service1", "metrics.port": "8081" };

  it("apply to its containers, whose own labels have precedence", () => {
    expect(withServiceLabels(container, services)).toEqual({ ...container, "metrics.path": "/m" });
  });

  it("do not apply to other containers", () => {
    expect(withServiceLabels({ a: "b" }, services)).toEqual({ a: "b" });
    expect(withServiceLabels(container, undefined)).toBe(container);
  });

  it("apply only if they concern metrics", () => {
    const labels = {
      "metrics.enable": "false",
      "prometheus.io/port": "80",
      "com.docker.swarm.service.name": "another",
    };
    const concerned = { "metrics.enable": "false", "prometheus.io/port": "80" };
    expect(metricsLabels(labels)).toEqual(concerned);
    expect(serviceLabelsOf([{ id: "1", name: "a", labels }]).get("1")).toEqual(concerned);
  });
});
