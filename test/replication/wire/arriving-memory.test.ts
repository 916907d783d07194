import { expect, it } from "vitest";
import { ArrivingMemory } from "../../../src/replication/wire/arriving-memory.js";
import { clockAt } from "../../support/publications.js";

const kib = 1024;
const never = () => expect.unreachable();

it("reserves in turn, without a limit for small ones", async () => {
  const memory = new ArrivingMemory(1000 * kib, clockAt());
  const begun: string[] = [];
  const take = async (name: string, bytes: number) => {
    const release = await memory.take(bytes, never);
    begun.push(name);
    return release;
  };
  const first = await take("first", 600 * kib);
  const second = take("second", 500 * kib);
  const third = take("third", 300 * kib);
  const small = await take("small", 64 * kib);
  small();
  expect(memory.used).toBe(600 * kib);
  expect(begun).toEqual(["first", "small"]);
  first();
  first();
  (await second)();
  (await third)();
  expect(begun).toEqual(["first", "small", "second", "third"]);
  expect(memory.used).toBe(0);
});

it("something larger than the limit is received alone", async () => {
  const memory = new ArrivingMemory(1000 * kib, clockAt());
  const release = await memory.take(5000 * kib, never);
  expect(memory.used).toBe(1000 * kib);
  const next = memory.take(100 * kib, never);
  release();
  (await next)();
  expect(memory.used).toBe(0);
});

it("ends what takes longer than 15 s, but only if others wait", async () => {
  const clock = clockAt();
  const memory = new ArrivingMemory(1000 * kib, clock);
  let late = 0;
  const release = await memory.take(900 * kib, () => {
    late++;
    release();
  });
  clock.advance(20_000);
  memory.tick();
  expect(late).toBe(0);
  const next = memory.take(200 * kib, never);
  memory.tick();
  expect(late).toBe(1);
  (await next)();
  memory.tick();
});

it("lets as much wait as may arrive at once", async () => {
  const memory = new ArrivingMemory(1000 * kib, clockAt());
  const release = await memory.take(1000 * kib, never);
  const waiting = memory.take(900 * kib, never);
  await expect(memory.take(200 * kib, never)).rejects.toMatchObject({ reason: "limit" });
  const last = memory.take(100 * kib, never);
  release();
  for (const one of [waiting, last]) (await one)();
  expect(memory.used).toBe(0);
  (await memory.take(1000 * kib, never))();
});
