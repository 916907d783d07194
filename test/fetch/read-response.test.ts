import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readResponse } from "../../src/fetch/read-response.js";
import { Scheduler, type Work } from "../../src/scheduler.js";

const maxBytes = 64 * 1024 * 1024;

/** Counts the steps of all works. */
class CountingScheduler extends Scheduler {
  steps = 0;

  override run<T>(work: Work<T>): Promise<T> {
    return super.run(this.#count(work));
  }

  *#count<T>(work: Work<T>): Work<T> {
    for (;;) {
      this.steps++;
      const { done, value } = work.next();
      if (done === true) return value;
      yield value;
    }
  }
}

async function* chunksOf(bytes: Buffer) {
  for (let pos = 0; pos < bytes.length; pos += 64 * 1024) yield bytes.subarray(pos, pos + 64 * 1024);
}

async function read(body: Buffer, headers: Record<string, string> = {}) {
  const scheduler = new CountingScheduler();
  const scraped = await readResponse({ headers, body: chunksOf(body) }, maxBytes, scheduler);
  return { ...scraped, steps: scheduler.steps };
}

describe("readResponse()", () => {
  const line = "requests_total 1\n";

  it.each([0.5, 3])("checks %d MiB in steps of 16 KiB, which the scheduler runs", async (mebibytes) => {
    const text = Buffer.from(`${"# comment\n".repeat((mebibytes * 1024 * 1024) / 10)}${line}`);
    const gzip = gzipSync(text);
    for (const [body, headers] of [
      [text, {}],
      [gzip, { "content-encoding": "gzip" }],
    ] as const) {
      const { samples, size, steps } = await read(body, headers);
      expect({ samples, size }).toEqual({ samples: 1, size: text.length });
      expect(steps).toBeGreaterThanOrEqual(mebibytes * 64);
    }
  });

  it("rejects an invalid exposition without reading the rest", async () => {
    let chunks = 0;
    async function* body() {
      for (; chunks < 100; chunks++) yield Buffer.from("not an exposition\n".repeat(100_000));
    }
    const result = readResponse({ headers: {}, body: body() }, maxBytes, new Scheduler());
    await expect(result).rejects.toMatchObject({ outcome: "invalid" });
    expect(chunks).toBeLessThan(100);
  });
});
