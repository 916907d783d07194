import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TargetChange, TargetProvider } from "../../src/discovery/provider.js";
import { DiscoveryError } from "../../src/errors.js";
import { isEncodableSegment } from "../../src/model/path-segment.js";

/** A provider with a source that the suite can change and break. */
export interface ProviderWorld {
  readonly provider: TargetProvider;
  /** Puts a target of that name there. */
  add(name: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Makes the source fail until repairSource, which restores its targets. */
  breakSource(): Promise<void>;
  repairSource(): Promise<void>;
  close(): Promise<void>;
}

/** What holds for every provider of targets, run against each. */
export function describeProvider(title: string, createWorld: () => Promise<ProviderWorld>): void {
  describe(`${title}, like every provider`, () => {
    let world: ProviderWorld;
    let stop: AbortController;

    beforeEach(async () => {
      world = await createWorld();
      stop = new AbortController();
    });
    afterEach(async () => {
      stop.abort();
      await world.close();
    });

    const list = () => world.provider.list(stop.signal);
    const names = async () => (await list()).flatMap((target) => target.names);

    it("lists targets in a stable order with unique ids", async () => {
      for (const name of ["web", "cache", "api"]) await world.add(name);
      const first = await list();
      const again = await list();
      expect(first.flatMap(({ names }) => names).sort()).toEqual(["api", "cache", "web"]);
      expect(new Set(first.map(({ id }) => id)).size).toBe(first.length);
      expect(again).toEqual(first);
      await world.remove("cache");
      expect((await names()).sort()).toEqual(["api", "web"]);
    });

    it("returns an empty list without targets", async () => {
      expect(await list()).toEqual([]);
    });

    it("lists targets with valid names, URLs and texts", async () => {
      await world.add("web");
      for (const target of await list()) {
        expect(target.provider).toBe(world.provider.name);
        expect(target.names.length).toBeGreaterThan(0);
        expect(target.names.every(isEncodableSegment)).toBe(true);
        expect(isEncodableSegment(target.replica)).toBe(true);
        expect(target.names.at(-1)).toBe(target.job);
        expect(target.title).not.toBe("");
        expect(Number.isFinite(target.startedAt)).toBe(true);
        expect(target.fetch.kind).toBe("http");
        if (target.fetch.kind !== "http") continue;
        expect(target.fetch.urls.length).toBeGreaterThan(0);
        for (const url of target.fetch.urls) expect(new URL(url).protocol).toMatch(/^https?:$/);
      }
    });

    it("fails instead of returning an empty list while its source is broken, and recovers", async () => {
      await world.add("web");
      await world.breakSource();
      await expect(list()).rejects.toBeInstanceOf(DiscoveryError);
      await expect(list()).rejects.toBeInstanceOf(DiscoveryError);
      await world.repairSource();
      expect(await names()).toEqual(["web"]);
    });

    it("fails immediately when the signal aborts", async () => {
      stop.abort();
      await expect(list()).rejects.toBeInstanceOf(DiscoveryError);
    });

    it("reports changes that the next list contains", async () => {
      await world.add("first");
      await list();
      const changes = new Changes();
      const watching = world.provider.watch(changes.take, stop.signal);
      await changes.settled();

      await world.add("second");
      await changes.next((change) => change.kind !== "stopped");
      expect((await names()).sort()).toEqual(["first", "second"]);

      const gone = (await list()).find((target) => target.names.includes("first"))?.id;
      await world.remove("first");
      await changes.next(
        (change) => change.kind === "changed" || (change.kind === "stopped" && change.id === gone),
      );
      expect(await names()).toEqual(["second"]);

      stop.abort();
      await watching;
    });

    it("continues to watch after its source failed and recovered", async () => {
      const changes = new Changes();
      const watching = world.provider.watch(changes.take, stop.signal);
      await changes.settled();
      await world.breakSource();
      await changes.settled();
      await world.repairSource();
      await changes.next((change) => change.kind === "changed");
      await changes.settled();
      await world.add("late");
      await changes.next((change) => change.kind !== "stopped");
      stop.abort();
      await watching;
    });

    it("stops watching when the signal aborts, and releases its resources", async () => {
      await world.add("web");
      await list();
      // Connections of that list are closing still.
      await new Promise((resolve) => setTimeout(resolve, 100));
      const before = handles();
      const whole = world.provider.watch(() => {}, stop.signal);
      await new Promise((resolve) => setTimeout(resolve, 100));
      await world.breakSource();
      await new Promise((resolve) => setTimeout(resolve, 100));
      await world.repairSource();
      stop.abort();
      await whole;
      await world.provider.watch(() => {}, stop.signal);
      await expect.poll(handles, { timeout: 5000 }).toEqual(before);
    });
  });
}

/** Collects changes and waits for them. */
export class Changes {
  readonly all: TargetChange[] = [];
  private seen = 0;
  private wake = () => {};

  readonly take = (change: TargetChange): void => {
    this.all.push(change);
    this.wake();
  };

  /** The next change that fits, of those not looked at yet. */
  async next(fits: (change: TargetChange) => boolean): Promise<TargetChange> {
    for (;;) {
      while (this.seen < this.all.length) {
        const change = this.all[this.seen++];
        if (change !== undefined && fits(change)) return change;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** Waits until no change has been reported for a while, and marks all as seen. */
  async settled(): Promise<void> {
    let count = -1;
    while (count !== this.all.length) {
      count = this.all.length;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    this.seen = count;
  }
}

/** What keeps this process alive, but for timers, which a test runner has of its own. */
function handles(): readonly string[] {
  return process
    .getActiveResourcesInfo()
    .filter((kind) => !/^(Timeout|Immediate|.*(Req|Shutdown)Wrap)$/.test(kind))
    .sort();
}
