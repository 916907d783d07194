import { describe, expect, it } from "vitest";
import type { Token } from "../../../src/scan/credentials/token-request.js";
import { TokenSource } from "../../../src/scan/credentials/token-source.js";
import { manualClock } from "../../support/manual-clock.js";

/** A source with a token server that the test controls. */
function setUp() {
  const clock = manualClock();
  const waiting: Pending[] = [];
  const reported: (string | undefined)[] = [];
  const source = new TokenSource({
    clock,
    request: () =>
      new Promise<Token>((resolve, reject) => {
        waiting.push({ resolve, reject });
      }),
    report: (problem) => reported.push(problem),
  });
  let next = 0;
  const pending = () => waiting[next++]!;
  return {
    clock,
    source,
    reported,
    requests: () => waiting.length,
    give: (value: string, lifetime: number) => pending().resolve({ value, lifetime }),
    fail: (reason: string) => pending().reject(new Error(reason)),
  };
}

interface Pending {
  resolve(token: Token): void;
  reject(error: Error): void;
}

async function withToken(lifetime: number) {
  const set = setUp();
  const first = set.source.get();
  set.give("one", lifetime);
  await first;
  return set;
}

describe("a token", () => {
  it("is requested once for all callers and cached", async () => {
    const { source, give, requests, clock } = setUp();
    const all = Promise.all([source.get(), source.get(), source.get()]);
    give("one", 3600);
    expect(await all).toEqual(["one", "one", "one"]);
    clock.advance(3000);
    expect(await source.get()).toBe("one");
    expect(requests()).toBe(1);
  });

  it("is renewed a minute before it expires and used meanwhile", async () => {
    const { source, give, requests, clock } = await withToken(3600);
    clock.advance(3541);
    expect(await source.get()).toBe("one");
    expect(await source.get()).toBe("one");
    expect(requests()).toBe(2);
    give("two", 3600);
    await expect.poll(() => source.get()).toBe("two");
  });

  it("is not used after it has expired", async () => {
    const { source, give, clock } = await withToken(30);
    clock.advance(30);
    const got = source.get();
    give("two", 30);
    expect(await got).toBe("two");
  });

  it("with lifetime 0 is cached for a second", async () => {
    const { source, requests, clock } = await withToken(0);
    expect(await source.get()).toBe("one");
    expect(requests()).toBe(1);
    clock.advance(1);
    source.get().catch(() => undefined);
    expect(requests()).toBe(2);
  });

  it("without a lifetime is cached until a target rejects it", async () => {
    const { source, give, clock } = await withToken(Number.POSITIVE_INFINITY);
    clock.advance(1e6);
    expect(await source.get()).toBe("one");
    expect(source.reject("one")).toBe(true);
    const got = source.get();
    give("two", 10);
    expect(await got).toBe("two");
  });

  it("is kept if a target rejects it right after it was issued", async () => {
    const { source, clock, requests } = await withToken(3600);
    clock.advance(4);
    expect(source.reject("one")).toBe(false);
    expect(await source.get()).toBe("one");
    expect(requests()).toBe(1);
  });

  it("that has been replaced is retried without another request", async () => {
    const { source, requests } = await withToken(3600);
    expect(source.reject("an older one")).toBe(true);
    expect(await source.get()).toBe("one");
    expect(requests()).toBe(1);
  });
});

describe("a failing token server", () => {
  it("is retried with backoff up to a minute, and callers fail immediately", async () => {
    const { source, fail, requests, clock } = setUp();
    for (const [round, wait] of [2, 4, 8, 16, 32, 60, 60].entries()) {
      const got = source.get();
      expect(requests()).toBe(round + 1);
      fail("status 500");
      await expect(got).rejects.toThrow("status 500");
      clock.advance(wait - 0.1);
      await expect(source.get()).rejects.toThrow("status 500");
      expect(requests()).toBe(round + 1);
      clock.advance(0.1);
    }
  });

  it("is reported once when it starts to fail and once when it recovers", async () => {
    const { source, fail, give, reported, clock } = setUp();
    for (const reason of ["status 500", "status 502"]) {
      const got = source.get();
      fail(reason);
      await got.catch(() => undefined);
      clock.advance(60);
    }
    const got = source.get();
    give("one", 60);
    await got;
    expect(reported).toEqual(["status 500", undefined]);
  });

  it("does not affect a valid token", async () => {
    const { source, fail, reported, clock } = await withToken(100);
    clock.advance(90);
    await source.get();
    fail("status 500");
    await expect.poll(() => reported).toEqual(["status 500"]);
    expect(await source.get()).toBe("one");
  });

  it("is retried immediately when the client secret changes", async () => {
    const { source, fail, give } = setUp();
    const failed = source.get();
    fail("status 401");
    await failed.catch(() => undefined);
    source.renewSoon();
    const got = source.get();
    give("one", 60);
    expect(await got).toBe("one");
  });
});
