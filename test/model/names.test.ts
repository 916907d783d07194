import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ContainerFacts, nameContainer } from "../../src/model/names.js";

const id = "792d612b2bbcf7684b0fab77388be97232ac5fac02e1c73e001700750f84be64";

function naming(labels: Record<string, string>, changes: Partial<ContainerFacts> = {}) {
  return nameContainer({ id, name: "/quiet_euler", labels, nodeHostname: "node-a", ...changes });
}

function swarm(service: string, middle: string, further: Record<string, string> = {}) {
  return {
    "com.docker.swarm.service.name": service,
    "com.docker.swarm.task.name": `${service}.${middle}.lej6qx3wd7i7zmii8id28rxc9`,
    "com.docker.swarm.task.id": "lej6qx3wd7i7zmii8id28rxc9",
    "com.docker.swarm.node.id": "6azjqqj6upqhxz0vyf4jdwebg",
    ...further,
  };
}

function compose(further: Record<string, string> = {}) {
  return {
    "com.docker.compose.project": "shop",
    "com.docker.compose.service": "web",
    "com.docker.compose.container-number": "2",
    "com.docker.compose.oneoff": "False",
    ...further,
  };
}

describe("the name of a container", () => {
  it("is, for a task of a stack, its service without and with the stack, and its slot", () => {
    expect(naming(swarm("shop_web", "2", { "com.docker.stack.namespace": "shop" }))).toEqual({
      identity: {
        names: ["web", "shop_web"],
        job: "shop_web",
        replica: "2",
        scope: "replicated",
        stack: "shop",
      },
      problems: [],
    });
  });

  it("is, for a task of a global service, its service and the node's hostname", () => {
    const labels = swarm("mon_agent", "6azjqqj6upqhxz0vyf4jdwebg", { "com.docker.stack.namespace": "mon" });
    expect(naming(labels)).toEqual({
      identity: {
        names: ["agent", "mon_agent"],
        job: "mon_agent",
        replica: "node-a",
        scope: "global",
        stack: "mon",
      },
      problems: [],
    });
  });

  it("distinguishes a node id from a slot, even if it is all digits", () => {
    const labels = { ...swarm("web", "1234567890123456789012345") };
    expect(
      naming({ ...labels, "com.docker.swarm.node.id": "1234567890123456789012345" }).identity.scope,
    ).toBe("global");
  });

  it("is one name for a service without a stack", () => {
    const { identity } = naming(swarm("web", "1"));
    expect(identity).toEqual({ names: ["web"], job: "web", replica: "1", scope: "replicated" });
  });

  it("keeps dots in the name of a service", () => {
    const { identity } = naming(swarm("shop_api.v2.eu", "3", { "com.docker.stack.namespace": "shop" }));
    expect(identity.names).toEqual(["api.v2.eu", "shop_api.v2.eu"]);
    expect(identity.replica).toBe("3");
  });

  it("uses only the full name if no valid name is left after the stack's prefix", () => {
    for (const service of ["shop_", "shop_-", "shop_.."]) {
      const { identity } = naming(swarm(service, "1", { "com.docker.stack.namespace": "shop" }));
      expect(identity.names).toEqual([service]);
    }
  });

  it("is treated as global if the task name contains neither a slot nor a node", () => {
    const { identity, problems } = naming({
      ...swarm("web", "1"),
      "com.docker.swarm.task.name": "renamed",
    });
    expect(identity).toEqual({ names: ["web"], job: "web", replica: "node-a", scope: "global" });
    expect(problems).toEqual([
      'label com.docker.swarm.task.name="renamed" names neither a slot nor a node: ' +
        "treated as a task of a global service",
    ]);
  });

  it("is, for a container of a Compose project, its service without and with the project, and its number", () => {
    expect(naming(compose())).toEqual({
      identity: {
        names: ["web", "shop_web"],
        job: "shop_web",
        replica: "node-a.2",
        scope: "local",
        stack: "shop",
      },
      problems: [],
    });
  });

  it("is the container's for a one-off of Compose, which bears a real replica's number", () => {
    const labels = compose({ "com.docker.compose.oneoff": "True" });
    const { identity } = naming(labels, { name: "/shop-web-run-1f2e" });
    expect(identity).toEqual({
      names: ["shop-web-run-1f2e"],
      job: "shop-web-run-1f2e",
      replica: "node-a",
      scope: "local",
      stack: "shop",
    });
  });

  it("is otherwise the container's own, on this node", () => {
    expect(naming({})).toEqual({
      identity: { names: ["quiet_euler"], job: "quiet_euler", replica: "node-a", scope: "local" },
      problems: [],
    });
  });

  it("is overridden as a whole, while replica, scope and stack stay", () => {
    const labels = swarm("shop_web", "2", { "com.docker.stack.namespace": "shop" });
    expect(naming(labels, { override: "front" }).identity).toEqual({
      names: ["front"],
      job: "front",
      replica: "2",
      scope: "replicated",
      stack: "shop",
    });
  });

  it("distinguishes containers of a node that override it with one name, by their names", () => {
    const overridden = (name: string, nodeHostname: string) =>
      naming({}, { name, nodeHostname, override: "front" });
    expect(overridden("/web-a", "node-a")).toEqual({
      identity: { names: ["front"], job: "front", replica: "node-a.web-a", scope: "local" },
      problems: [],
    });
    const replicas = [
      overridden("/web-b", "node-a"),
      overridden("/web-a", "node-b"),
      overridden(`/${"x".repeat(200)}`, "node-a"),
    ].map(({ identity }) => identity.replica);
    expect(replicas).toEqual(["node-a.web-b", "node-b.web-a", "node-a.792d612b2bbc"]);
  });

  it("keeps the replica of a Compose container, or of a task of a global service, if overridden", () => {
    expect(naming(compose(), { override: "front" }).identity.replica).toBe("node-a.2");
    const task = swarm("mon_agent", "6azjqqj6upqhxz0vyf4jdwebg");
    expect(naming(task, { override: "front" }).identity.replica).toBe("node-a");
  });

  it("uses the next rule and reports a problem if a label is not valid in a path", () => {
    expect(naming(swarm("a/b", "1"))).toEqual({
      identity: { names: ["quiet_euler"], job: "quiet_euler", replica: "node-a", scope: "local" },
      problems: ['label com.docker.swarm.service.name="a/b" ignored: cannot be one segment of a path'],
    });
  });

  it("is the beginning of the id as the last resort", () => {
    const { identity, problems } = naming({}, { name: "/..", nodeHostname: "-" });
    expect(identity.names).toEqual(["792d612b2bbc"]);
    expect(identity.replica).toBe("792d612b2bbc");
    expect(problems).toHaveLength(2);
  });

  it("is restored from a URL path unchanged, for any labels", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 250 }),
      fc.constantFrom("", "-", ".", "..", "a/b", "%2e", "a\u0000", "\ud800", "web", "shop_web", "1"),
    );
    const names = [
      "com.docker.swarm.service.name",
      "com.docker.swarm.task.name",
      "com.docker.swarm.node.id",
      "com.docker.stack.namespace",
      "com.docker.compose.project",
      "com.docker.compose.service",
      "com.docker.compose.container-number",
    ];
    const labels = fc.dictionary(fc.constantFrom(...names), text);
    fc.assert(
      fc.property(labels, text, text, fc.boolean(), (someLabels, name, nodeHostname, overridden) => {
        const override = overridden ? { override: "front" } : {};
        const { identity } = naming(someLabels, { name, nodeHostname, ...override });
        for (const segment of [...identity.names, identity.job, identity.replica]) {
          const path = new URL(`http://proxy/${encodeURIComponent(segment)}/metrics`).pathname;
          expect(path.split("/").map(decodeURIComponent)).toEqual(["", segment, "metrics"]);
          expect(segment).not.toBe("-");
        }
        expect(identity.names.at(-1)).toBe(identity.job);
        expect(new Set(identity.names).size).toBe(identity.names.length);
      }),
      { numRuns: 500 },
    );
  });
});
