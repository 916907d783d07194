import { describe, expect, it } from "vitest";
import { MemoryBudget } from "../src/memory-budget.js";

describe("MemoryBudget", () => {
  it("counts what is taken and given back, up to its limit", () => {
    const budget = new MemoryBudget(100);
    expect(budget.take(60)).toBe(true);
    expect(budget.take(41)).toBe(false);
    expect(budget.used).toBe(60);
    expect(budget.take(40)).toBe(true);
    budget.give(60);
    expect(budget.used).toBe(40);
  });

  it("calls the evictors in order of registration until the request fits", () => {
    const budget = new MemoryBudget(100);
    budget.take(100);
    const calls: string[] = [];
    const evictor = (name: string, frees: number) => (bytesNeeded: number) => {
      calls.push(`${name} ${bytesNeeded}`);
      return frees;
    };
    budget.addEvictor(evictor("first", 10));
    budget.addEvictor(evictor("second", 25));
    budget.addEvictor(evictor("third", 1));
    expect(budget.take(30)).toBe(true);
    expect(calls).toEqual(["first 30", "second 20"]);
    expect(budget.used).toBe(95);
  });

  it("refuses a request when the evictors free too little, and keeps what they freed", () => {
    const budget = new MemoryBudget(100);
    budget.take(100);
    budget.addEvictor(() => 10);
    expect(budget.take(20)).toBe(false);
    expect(budget.used).toBe(90);
  });

  it("evicts nothing for a request that is larger than the whole budget", () => {
    const budget = new MemoryBudget(100);
    budget.addEvictor(() => expect.unreachable());
    expect(budget.take(101)).toBe(false);
    expect(budget.used).toBe(0);
  });
});
