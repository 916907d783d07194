import { describe, expect, it } from "vitest";
import { labelsOfMetrics, withServiceLabels } from "../../src/model/service-labels.js";

describe("labels of a service", () => {
  const services = new Map([["service1", { "metrics.port": "1201", "metrics.path": "/m" }]]);
  const container = { "com.docker.swarm.service.id": "service1", "metrics.port": "8081" };

  it("count for its containers, which may say otherwise themselves", () => {
    expect(withServiceLabels(container, services)).toEqual({ ...container, "metrics.path": "/m" });
  });

  it("change nothing for other containers, or where none are known", () => {
    expect(withServiceLabels({ a: "b" }, services)).toEqual({ a: "b" });
    expect(withServiceLabels(container, undefined)).toBe(container);
  });

  it("are those that say something of metrics", () => {
    const labels = {
      "metrics.enable": "false",
      "prometheus.io/port": "80",
      "com.docker.stack.namespace": "shop",
    };
    expect(labelsOfMetrics(labels)).toEqual({ "metrics.enable": "false", "prometheus.io/port": "80" });
  });
});
