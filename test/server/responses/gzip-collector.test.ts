import { gunzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { MemoryBudget } from "../../../src/memory-budget.js";
import { Scheduler, type Work } from "../../../src/scheduler.js";
import { GzipCollector } from "../../../src/server/responses/gzip-collector.js";
import { Reservation, UnavailableError } from "../../../src/server/responses/work-queue.js";

const megabyte = 1024 * 1024;

function compress(pieces: readonly Buffer[], maxBytes: number) {
  const memory = new MemoryBudget(maxBytes);
  const reservation = new Reservation(memory);
  const collector = new GzipCollector(reservation, 1000);
  function* work(): Work<Buffer> {
    try {
      for (const piece of pieces) yield* collector.add(piece);
      return yield* collector.end();
    } finally {
      collector.close();
    }
  }
  return { memory, collector, compressed: new Scheduler().run(work()) };
}

it("all pieces become one gzip stream, whose size is reserved", async () => {
  const pieces = [10, 2 * megabyte, 0, 30, 3 * megabyte].map((length, index) => Buffer.alloc(length, index));
  const { memory, collector, compressed } = compress(pieces, megabyte);
  const gzip = await compressed;
  expect(gunzipSync(gzip).equals(Buffer.concat(pieces))).toBe(true);
  expect(collector.size).toBe(5 * megabyte + 40);
  expect(memory.used).toBe(1000 + 2 * gzip.length);
});

it("ends when its result exceeds the memory", async () => {
  const random = () => Buffer.from(Array.from({ length: megabyte }, () => Math.random() * 256));
  const { compressed } = compress([random(), random(), random()], megabyte);
  await expect(compressed).rejects.toThrow(UnavailableError);
});
