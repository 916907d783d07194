import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Federation } from "../src/exposition/federate.js";
import { merge, toText } from "../src/exposition/merge.js";
import { CpuLimitError, limitCpu, Scheduler, type Work, wait } from "../src/scheduler.js";
import { setUpServer } from "./support/http-server.js";

/** All lines differ, so that no memoised line helps with another. */
const hostile = Array.from({ length: 60_000 }, (_, index) => `a{l${index}="v"} 1\n`).join("");
const source = { bytes: Buffer.from(hostile), format: "text", labels: [["instance", "x"]] } as const;

/** Steps that take a millisecond each. */
function* spin(steps: number, onStep = (): void => undefined): Work<number> {
  for (let step = 0; step < steps; step++) {
    onStep();
    for (const end = performance.now() + 1; performance.now() < end; );
    yield;
  }
  return steps;
}

describe("while a hostile exposition", () => {
  it.each([
    ["is merged", () => merge([source], "text")],
    ["is federated", () => new Federation("text").add(source)],
    ["is converted", () => toText(Buffer.from(`${hostile}# EOF\n`))],
  ])("%s, other work runs", async (_, work) => {
    let done = false;
    const made = new Scheduler().run<unknown>(work()).finally(() => {
      done = true;
    });
    let turns = 0;
    for (; !done; turns++) await turn();
    await made;
    expect(turns).toBeGreaterThan(10);
  });

  it("is prepared, the server responds to other requests", async () => {
    const { get, put } = await setUpServer();
    for (const replica of ["1", "2"]) put({ id: `docker:${replica}`, replica, text: hostile });
    let done = false;
    const answer = get("/web/metrics").finally(() => {
      done = true;
    });
    let answered = 0;
    for (; !done; answered++) await get("/-/healthy");
    expect((await answer).status).toBe(200);
    expect(answered).toBeGreaterThan(10);
  });
});

describe("Scheduler", () => {
  it("does no work in a pass in which a connection arrived, but not for long", async () => {
    const scheduler = new Scheduler();
    let steps = 0;
    const work = scheduler.run(spin(3, () => steps++));
    await turn();
    await turn();
    expect(steps).toBeGreaterThan(0);
    // More than one step, as soon as other work is no longer urgent.
    const before = steps;
    let deferredPasses = 0;
    for (; steps === before; deferredPasses++) {
      scheduler.defer();
      await turn();
    }
    expect(deferredPasses).toBeGreaterThan(2);
    await work;
  });

  it("gives all tasks together one slice per pass of the event loop", async () => {
    const scheduler = new Scheduler();
    let done = false;
    const tasks = Promise.all(Array.from({ length: 20 }, () => scheduler.run(spin(5)))).finally(() => {
      done = true;
    });
    let passes = 0;
    for (; !done; passes++) await turn();
    await tasks;
    expect(passes).toBeGreaterThan(10);
  });

  it("finishes short work while long work runs", async () => {
    const scheduler = new Scheduler();
    const long = new AbortController();
    const hostile = [1, 2, 3].map(() => scheduler.run(spin(100_000), long.signal));
    const begun = performance.now();
    expect(await scheduler.run(spin(3))).toBe(3);
    expect(performance.now() - begun).toBeLessThan(300);
    long.abort(new Error("enough"));
    for (const work of hostile) await expect(work).rejects.toThrow("enough");
  });

  it("waits for promises, and passes their results and errors to the work", async () => {
    const scheduler = new Scheduler();
    function* work(): Work<string> {
      const first = yield* wait(Promise.resolve("a"));
      try {
        yield* wait(Promise.reject(new Error("b")));
      } catch (error) {
        return first + (error as Error).message;
      }
      return first;
    }
    expect(await scheduler.run(work())).toBe("ab");
  });

  it("ends work whose signal aborts, also while it waits, and runs no further step", async () => {
    const scheduler = new Scheduler();
    let steps = 0;
    let ended = 0;
    function* work(waits: boolean): Work<void> {
      try {
        if (waits) yield* wait(new Promise(() => undefined));
        yield* spin(100_000, () => {
          steps++;
        });
      } finally {
        ended++;
      }
    }
    for (const waits of [true, false]) {
      const stopping = new AbortController();
      const run = scheduler.run(work(waits), stopping.signal);
      await turn();
      await turn();
      stopping.abort(new Error("gone"));
      await expect(run).rejects.toThrow("gone");
    }
    const before = steps;
    for (let passes = 0; passes < 5; passes++) await turn();
    expect(steps).toBe(before);
    expect(ended).toBe(2);
  });

  it("rejects work that throws", async () => {
    const mixed = merge([source, { ...source, format: "openmetrics" }], "openmetrics");
    await expect(new Scheduler().run(mixed)).rejects.toThrow(RangeError);
  });
});

describe("a limit of CPU time", () => {
  it("ends steps that exceed it, with their clean-up, and does not count other work", async () => {
    let cleaned = false;
    function* endless() {
      try {
        for (;;) yield* spin(1) as Generator<undefined, number>;
      } finally {
        cleaned = true;
      }
    }
    const scheduler = new Scheduler();
    const other = scheduler.run(spin(100));
    const cpu = { spent: 0 };
    const begun = performance.now();
    const limited = scheduler.run(limitCpu(endless(), cpu, 50), undefined, cpu);
    await expect(limited).rejects.toThrow(CpuLimitError);
    expect(cpu.spent).toBeGreaterThan(50);
    expect(performance.now() - begun).toBeGreaterThan(80);
    expect(cleaned).toBe(true);
    await other;
  });

  it("returns the result of steps within it", async () => {
    const steps = spin(3) as Generator<undefined, number>;
    expect(await new Scheduler().run(limitCpu(steps, { spent: 0 }, 1000))).toBe(3);
  });
});
