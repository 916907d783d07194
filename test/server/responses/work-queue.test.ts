import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { MemoryBudget } from "../../../src/memory-budget.js";
import { Scheduler, type Work, wait } from "../../../src/scheduler.js";
import { UnavailableError, WorkQueue } from "../../../src/server/responses/work-queue.js";

function setUp(maxBytes = 1000) {
  const memory = new MemoryBudget(maxBytes);
  const queue = new WorkQueue(memory, new Scheduler());
  const started: string[] = [];
  const finish = new Map<string, () => void>();
  /** Adds work that runs until it is finished, for one client. */
  const add = (name: string, bytes: number, client = new AbortController().signal, title = name) => {
    const work = queue.add({
      name,
      bytes,
      *start(): Work<string> {
        started.push(title);
        yield* wait(new Promise<void>((resolve) => finish.set(title, resolve)));
        return title;
      },
    });
    const result = work.resultFor(client);
    result.catch(() => undefined);
    return { work, result };
  };
  const settle = async () => {
    for (let pass = 0; pass < 4; pass++) await turn();
  };
  return { memory, queue, add, started, finish, settle };
}

describe("WorkQueue", () => {
  it("reserves memory before work starts, and gives it back when it ends", async () => {
    const { memory, add, finish, settle } = setUp();
    const { result } = add("a", 700);
    await settle();
    expect(memory.used).toBe(700);
    finish.get("a")!();
    expect(await result).toBe("a");
    await settle();
    expect(memory.used).toBe(0);
  });

  it("starts small work although large work waits for memory", async () => {
    const { add, started, finish, settle } = setUp();
    for (const name of ["large", "next"]) add(name, 700);
    add("small", 50);
    await settle();
    expect(started).toEqual(["large", "small"]);
    finish.get("large")!();
    await settle();
    expect(started).toEqual(["large", "small", "next"]);
  });

  it("always leaves memory for smaller work", async () => {
    const { queue, add, started, settle } = setUp();
    expect(queue.canRun(750)).toBe(true);
    expect(queue.canRun(751)).toBe(false);
    for (const bytes of [750, 200, 187, 46]) {
      add(String(bytes), bytes);
      await settle();
    }
    expect(started).toEqual(["750", "187", "46"]);
  });

  it("runs works of one name one after the other", async () => {
    const { add, started, finish, settle } = setUp();
    for (const title of ["a1", "a2", "b1"]) add(title[0]!, 10, undefined, title);
    await settle();
    expect(started).toEqual(["a1", "b1"]);
    finish.get("a1")!();
    await settle();
    expect(started).toEqual(["a1", "b1", "a2"]);
  });

  it("limits how many works wait, in total and of one name, and names a time for the next attempt", () => {
    const { add } = setUp();
    const fill = (name: (index: number) => string, bytes: number) => {
      for (let index = 0; index < 2000; index++) {
        try {
          add(name(index), bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(UnavailableError);
          expect((error as UnavailableError).retryAfter).toBeGreaterThan(0);
          return index;
        }
      }
      return expect.unreachable();
    };
    // One runs.
    expect(fill(() => "one", 10)).toBe(1 + 32);
    add("large", 700);
    expect(fill((index) => `other ${index}`, 700)).toBe(256 - 32);
  });

  it("stops work when the last of its clients has disconnected, not before", async () => {
    const { memory, add, settle } = setUp();
    const clients = [new AbortController(), new AbortController()];
    const { work } = add("a", 100, clients[0]!.signal);
    const second = work.resultFor(clients[1]!.signal);
    second.catch(() => undefined);
    await settle();
    clients[0]!.abort();
    await settle();
    expect(memory.used).toBe(100);
    clients[1]!.abort();
    await expect(second).rejects.toThrow(/abort/);
    await settle();
    expect(memory.used).toBe(0);
  });

  it("forgets waiting work whose client has disconnected", async () => {
    const { add, started, finish, settle } = setUp();
    const client = new AbortController();
    add("first", 700);
    add("gone", 700, client.signal);
    await settle();
    client.abort();
    finish.get("first")!();
    await settle();
    expect(started).toEqual(["first"]);
  });

  it("starts waiting work when other users of the budget give memory back", async () => {
    const { memory, add, started } = setUp();
    memory.take(600);
    add("a", 500);
    expect(started).toEqual([]);
    memory.give(600);
    await expect.poll(() => started).toEqual(["a"]);
  });
});
