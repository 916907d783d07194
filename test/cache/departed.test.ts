import { describe, expect, it } from "vitest";
import { Departed } from "../../src/cache/departed.js";
import { entryFor, manualClock } from "../support/entries.js";

describe("what became stale", () => {
  it("is remembered for an hour, the latest ten thousand of it", () => {
    const clock = manualClock();
    const departed = new Departed(clock);
    const entry = entryFor(clock, { origin: "n2", names: ["many"] });
    for (let replica = 0; replica < 10_001; replica++) departed.note({ ...entry, replica: `${replica}` });
    const replicas = departed.named("many").map(({ replica }) => replica);
    expect(replicas).toHaveLength(10_000);
    expect(replicas).toContain("10000");
    expect(replicas).not.toContain("0");
    clock.advance(3600);
    expect(departed.named("many")).toEqual([]);
  });
});
