import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { expect, it, vi } from "vitest";
import { MemoryBudget } from "../../../src/memory-budget.js";
import { HeldBodies } from "../../../src/server/responses/held-bodies.js";

function setUp() {
  const memory = new MemoryBudget(1000);
  const bodies = new HeldBodies(memory);
  /** A response that sends a body. */
  const read = (body: Buffer) => {
    const response = Object.assign(new EventEmitter(), { destroyed: false, destroy: () => undefined });
    response.destroy = () => {
      response.destroyed = true;
      response.emit("close");
    };
    return { response, fits: bodies.holdFor(response as unknown as ServerResponse, body) };
  };
  return { memory, bodies, read };
}

it("a body counts once, however many clients read it, until the last one is closed", () => {
  const { memory, bodies, read } = setUp();
  const body = Buffer.alloc(400);
  const responses = Array.from({ length: 200 }, () => read(body).response);
  expect(memory.used).toBe(400);
  expect(bodies.keep(body)).toBe(true);
  expect(memory.used).toBe(400);
  for (const response of responses.slice(1)) response.destroy();
  expect(bodies.isRead(body)).toBe(true);
  memory.give(bodies.drop(body));
  expect(memory.used).toBe(400);
  responses[0]!.destroy();
  expect(memory.used).toBe(0);
});

it("a body that does not fit is not held", () => {
  const { memory, read } = setUp();
  expect(read(Buffer.alloc(700)).fits).toBe(true);
  expect(read(Buffer.alloc(700)).fits).toBe(false);
  expect(memory.used).toBe(700);
});

it("slow clients are disconnected if memory is needed, others are not", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  try {
    const { memory, read } = setUp();
    const slow = read(Buffer.alloc(400)).response;
    vi.advanceTimersByTime(3000);
    const busy = read(Buffer.alloc(400)).response;
    expect(read(Buffer.alloc(500)).fits).toBe(true);
    expect(slow.destroyed).toBe(true);
    expect(busy.destroyed).toBe(false);
    expect(memory.used).toBe(900);
    expect(read(Buffer.alloc(500)).fits).toBe(false);
    expect(busy.destroyed).toBe(false);
  } finally {
    vi.useRealTimers();
  }
});
