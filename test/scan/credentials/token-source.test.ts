import { describe, expect, it } from "vitest";
import type { Token } from "../../../src/scan/credentials/token-request.js";
import { TokenSource } from "../../../src/scan/credentials/token-source.js";
import { manualClock } from "../../support/entries.js";

/** A source whose server answers when the test says so. */
function setUp() {
  const clock = manualClock();
  const waiting: Pending[] = [];
  const told: (string | undefined)[] = [];
  const source = new TokenSource({
    clock,
    request: () =>
      new Promise<Token>((resolve, reject) => {
        waiting.push({ resolve, reject });
      }),
    tell: (problem) => told.push(problem),
  });
  let asked = 0;
  const next = () => waiting[asked++]!;
  return {
    clock,
    source,
    told,
    requests: () => waiting.length,
    give: (value: string, lifetime: number) => next().resolve({ value, lifetime }),
    fail: (reason: string) => next().reject(new Error(reason)),
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
  it("is asked for once for all who wait, and kept", async () => {
    const { source, give, requests, clock } = setUp();
    const all = Promise.all([source.get(), source.get(), source.get()]);
    give("one", 3600);
    expect(await all).toEqual(["one", "one", "one"]);
    clock.advance(3000);
    expect(await source.get()).toBe("one");
    expect(requests()).toBe(1);
  });

  it("is used on while the next one is got, a minute before its end", async () => {
    const { source, give, requests, clock } = await withToken(3600);
    clock.advance(3541);
    expect(await source.get()).toBe("one");
    expect(await source.get()).toBe("one");
    expect(requests()).toBe(2);
    give("two", 3600);
    await expect.poll(() => source.get()).toBe("two");
  });

  it("is not used when it has ended", async () => {
    const { source, give, clock } = await withToken(30);
    clock.advance(30);
    const got = source.get();
    give("two", 30);
    expect(await got).toBe("two");
  });

  it("that is good for no time at all is kept for a second", async () => {
    const { source, requests, clock } = await withToken(0);
    expect(await source.get()).toBe("one");
    expect(requests()).toBe(1);
    clock.advance(1);
    source.get().catch(() => undefined);
    expect(requests()).toBe(2);
  });

  it("whose life is not told is kept until it is refused", async () => {
    const { source, give, clock } = await withToken(Number.POSITIVE_INFINITY);
    clock.advance(1e6);
    expect(await source.get()).toBe("one");
    expect(source.refused("one")).toBe(true);
    const got = source.get();
    give("two", 10);
    expect(await got).toBe("two");
  });

  it("that is refused at once stays: another would be refused too", async () => {
    const { source, clock, requests } = await withToken(3600);
    clock.advance(4);
    expect(source.refused("one")).toBe(false);
    expect(await source.get()).toBe("one");
    expect(requests()).toBe(1);
  });

  it("that was replaced meanwhile is worth another try, without another request", async () => {
    const { source, requests } = await withToken(3600);
    expect(source.refused("an older one")).toBe(true);
    expect(await source.get()).toBe("one");
    expect(requests()).toBe(1);
  });
});

describe("a token server that fails", () => {
  it("is left alone for longer and longer, up to a minute, and those who ask are told at once", async () => {
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

  it("is told when it begins and when it is over, once each", async () => {
    const { source, fail, give, told, clock } = setUp();
    for (const reason of ["status 500", "status 502"]) {
      const got = source.get();
      fail(reason);
      await got.catch(() => undefined);
      clock.advance(60);
    }
    const got = source.get();
    give("one", 60);
    await got;
    expect(told).toEqual(["status 500", undefined]);
  });

  it("does no harm to a token that is still good", async () => {
    const { source, fail, told, clock } = await withToken(100);
    clock.advance(90);
    await source.get();
    fail("status 500");
    await expect.poll(() => told).toEqual(["status 500"]);
    expect(await source.get()).toBe("one");
  });

  it("is asked at once when the client has another secret", async () => {
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
