import { describe, expect, it } from "vitest";
import { maxPublicationBytes } from "../../src/archive/publication-json.js";
import { OwnTargets } from "../../src/cache/own-targets.js";
import type { Target } from "../../src/model/target.js";
import type { TargetStatus } from "../../src/model/target-status.js";
import { foundTarget, keepingLogger, publishedTarget } from "../support/publications.js";

function setUp() {
  const logger = keepingLogger();
  return { logger, targets: new OwnTargets(logger) };
}

function status(fields: Partial<Target> = {}, state: Partial<TargetStatus> = {}): TargetStatus {
  return { target: foundTarget(fields), state: "up", failures: 0, ...state };
}

describe("OwnTargets", () => {
  it("publishes state, reason and URL of a target, without how it is scraped", () => {
    const { targets } = setUp();
    targets.update(status({}, { state: "down", reason: "timeout", url: "http://10.0.0.1/metrics" }), 7);
    expect(targets.publishable()).toEqual([
      {
        ...{ id: "docker:1", title: "web.1", names: ["web", "shop_web"], job: "shop_web", replica: "1" },
        ...{ scope: "replicated", labels: {}, startedAt: 0, firstSeen: 7, state: "down" },
        ...{ reason: "timeout", since: 7 },
        url: "http://10.0.0.1/metrics",
      },
    ]);
  });

  it("returns a target that changed, and nothing for one that did not", () => {
    const { targets } = setUp();
    expect(targets.update(status(), 1)).toMatchObject({ state: "up", since: 1 });
    expect(targets.update(status(), 2)).toBeUndefined();
    expect(targets.update(status({ labels: { a: "b" } }), 3)).toMatchObject({ since: 1 });
    expect(targets.update(status({}, { state: "down" }), 4)).toMatchObject({ since: 4 });
  });

  it("keeps when it first saw a target without a start time, also of an earlier process, until the target ends", () => {
    const { targets } = setUp();
    expect(targets.update(status(), 1)).toMatchObject({ firstSeen: 1 });
    expect(targets.update(status({}, { state: "down" }), 4)).toMatchObject({ firstSeen: 1 });
    targets.adopt([publishedTarget({ id: "file:2", firstSeen: 3 })]);
    expect(targets.update(status({ id: "file:2", title: "b" }), 5)).toMatchObject({ firstSeen: 3 });
    expect(targets.update(status({ id: "docker:3", startedAt: 7 }), 8)).not.toHaveProperty("firstSeen");
    targets.end("docker:1", 10);
    expect(targets.update(status(), 20)).toMatchObject({ firstSeen: 20 });
  });

  it("keeps the start of a restarted container that an earlier process knew from an event", () => {
    const { targets } = setUp();
    targets.adopt([publishedTarget({ startedAt: 9000 })]);
    expect(targets.update(status({ title: "new", startedAt: 1000 }), 1)).toMatchObject({ startedAt: 9000 });
    expect(targets.update(status({ startedAt: 12_000 }), 2)).toMatchObject({ startedAt: 12_000 });
  });

  it("keeps an ended target as gone until it is removed", () => {
    const { targets } = setUp();
    targets.update(status({}, { state: "down", reason: "timeout" }), 1);
    expect(targets.end("docker:1", 10)).toMatchObject({ state: "gone", since: 10 });
    expect(targets.end("docker:1", 11)).toBeUndefined();
    expect(targets.end("docker:2", 11)).toBeUndefined();
    expect(targets.all()[0]).not.toHaveProperty("reason");
    expect(targets.idsOf("docker")).toEqual([]);
    expect(targets.removeEnded(10)).toBe(false);
    expect(targets.removeEnded(11)).toBe(true);
    expect(targets.all()).toEqual([]);
  });

  it("publishes an ended target again that its provider lists again", () => {
    const { targets } = setUp();
    targets.update(status(), 1);
    targets.end("docker:1", 10);
    expect(targets.update(status(), 20)).toMatchObject({ state: "up", since: 20 });
  });

  it("adopts targets of an earlier process unless they are known", () => {
    const { targets } = setUp();
    targets.update(status({ title: "new" }), 1);
    targets.adopt([publishedTarget({ title: "old" }), publishedTarget({ id: "file:2" })]);
    expect(targets.all().map(({ title }) => title)).toEqual(["new", "web.1"]);
    expect(targets.idsOf("file")).toEqual(["file:2"]);
    expect(targets.idsOf("docker")).toEqual(["docker:1"]);
  });

  it.each([
    ["labels", { labels: { a: "x".repeat(70_000) } }],
    ["a title with a control character", { title: "a\nb" }],
    ["an id that is too long", { id: `docker:${"x".repeat(500)}` }],
    ["too many names", { names: new Array(9).fill("web") as string[] }],
  ])("does not publish a target whose values peers reject: %s", (_, fields) => {
    const { targets, logger } = setUp();
    targets.update(status({ id: "docker:good" }), 1);
    for (const since of [1, 2, 3]) targets.update(status(fields, { reason: `reason ${since}` }), since);
    expect(targets.publishable().map(({ id }) => id)).toEqual(["docker:good"]);
    expect(targets.all()).toHaveLength(2);
    expect(targets.isPublishable("id" in fields ? fields.id : "docker:1")).toBe(false);
    expect(logger.lines).toHaveLength(1);
    expect(logger.lines[0]).toMatchObject({
      level: "warn",
      message: "target not published to other nodes: invalid value",
    });
  });

  it("publishes as many targets as fit into a document, even if others are too large", () => {
    const { targets } = setUp();
    const huge = { id: "docker:huge", labels: { a: "x".repeat(20_000_000) } };
    targets.update(status(huge), 1);
    for (let index = 0; index < 400; index++) {
      targets.update(status({ id: `docker:${index}`, labels: { a: "x".repeat(60_000) } }), 1);
    }
    targets.update(status({ id: "docker:small" }), 1);
    const published = targets.publishable();
    const size = JSON.stringify(published).length;
    expect(size).toBeGreaterThan(0.8 * maxPublicationBytes);
    expect(size).toBeLessThan(maxPublicationBytes);
    expect(published.at(-1)?.id).toBe("docker:small");
  });

  it("publishes a target again once its values are valid", () => {
    const { targets } = setUp();
    targets.update(status({}, { url: `http://${"x".repeat(5000)}` }), 1);
    expect(targets.isPublishable("docker:1")).toBe(false);
    targets.update(status({}, { url: "http://10.0.0.1/metrics" }), 2);
    expect(targets.isPublishable("docker:1")).toBe(true);
  });
});
