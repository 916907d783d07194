import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFileProvider } from "../../../src/discovery/file/provider.js";
import { DiscoveryError, describeError } from "../../../src/errors.js";
import { Changes, describeProvider } from "../provider-suite.js";

const timings = { poll: 60_000, settle: 20 };

describeProvider("the file provider", async () => {
  const folder = await mkdtemp(join(tmpdir(), "targets-"));
  const path = join(folder, "targets.json");
  const names = new Set<string>();
  const write = () =>
    writeFile(path, JSON.stringify([...names].map((name) => ({ targets: [`${name}:9100`] }))));
  await write();
  return {
    provider: createFileProvider(path, "/metrics", () => "node1", timings),
    add: (name) => {
      names.add(name);
      return write();
    },
    remove: (name) => {
      names.delete(name);
      return write();
    },
    breakSource: () => rm(path),
    repairSource: write,
    close: () => rm(folder, { recursive: true }),
  };
});

describe("the file provider", () => {
  let folder: string;
  let path: string;
  let stop: AbortController;
  let node: string;
  beforeEach(async () => {
    node = "node1";
    folder = await mkdtemp(join(tmpdir(), "targets-"));
    path = join(folder, "targets.yml");
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await rm(folder, { recursive: true });
  });

  const providerOf = (changes: Partial<typeof timings> = {}) =>
    createFileProvider(path, "/metrics", () => node, { ...timings, ...changes });
  const failure = async () => {
    const error = await providerOf()
      .list(stop.signal)
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DiscoveryError);
    return describeError(error);
  };

  it("lists each target once, and reports two with the same name", async () => {
    await writeFile(
      path,
      "- targets: [a:1, a:1, b:1]\n- targets: [c:1, d:1]\n  labels: {job: x, instance: y}",
    );
    const targets = await providerOf().list(stop.signal);
    expect(targets.map(({ job, replica }) => [job, replica])).toEqual([
      ["a", "a:1"],
      ["b", "b:1"],
      ["x", "y"],
      ["x", "y"],
    ]);
    expect(targets[0]?.problems).toEqual([]);
    expect(targets[2]?.problems).toEqual([
      "another target of the file has the same job and instance: set the label instance",
    ]);
  });

  it("reloads a file only after a change", async () => {
    await writeFile(path, "- targets: [a:1]");
    // Earlier, a second write could have the same modification time.
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const provider = providerOf();
    const first = await provider.list(stop.signal);
    expect(await provider.list(stop.signal)).toBe(first);
    await writeFile(path, "- targets: [b:1]");
    expect((await provider.list(stop.signal)).map(({ job }) => job)).toEqual(["b"]);
  });

  it("names loopback addresses after the node, also when its name becomes known later", async () => {
    await writeFile(path, "- targets: [127.0.0.1:9100]");
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const provider = providerOf();
    const replicas = async () => (await provider.list(stop.signal)).map(({ replica }) => replica);
    expect(await replicas()).toEqual(["node1:9100"]);
    node = "node2";
    expect(await replicas()).toEqual(["node2:9100"]);
  });

  it("accepts a byte order mark", async () => {
    await writeFile(path, "\ufeff[]");
    expect(await providerOf().list(stop.signal)).toEqual([]);
  });

  it("reports why a file is unusable", async () => {
    expect(await failure()).toMatch(/^TARGETS_FILE .* is unusable: ENOENT/);
    await writeFile(path, "- targets: a");
    expect(await failure()).toMatch(/is unusable: group 1: targets must be a list$/);
    await writeFile(path, Buffer.from([0x2d, 0x20, 0xff]));
    expect(await failure()).toMatch(/not valid UTF-8/);
    await truncate(path, 17 * 1024 * 1024);
    expect(await failure()).toMatch(/larger than 16 MiB$/);
    await rm(path);
    await mkdir(path);
    expect(await failure()).toMatch(/not a regular file$/);
    await rm(path, { recursive: true });
    execFileSync("mkfifo", [path]);
    expect(await failure()).toMatch(/not a regular file$/);
  });

  describe("reports a change", () => {
    let changes: Changes;
    let watching: Promise<void> | undefined;
    const watch = async (poll = timings.poll) => {
      changes = new Changes();
      const provider = providerOf({ poll });
      await provider.list(stop.signal).catch(() => {});
      watching = provider.watch(changes.take, stop.signal);
      await changes.settled();
    };
    afterEach(async () => {
      stop.abort();
      await watching;
    });
    const reported = () => changes.next((change) => change.kind === "changed");

    it("when the file is written in place, and once for many writes", async () => {
      await writeFile(path, "[]");
      await watch();
      for (let index = 0; index < 20; index++) await writeFile(path, `[] # ${index}`);
      await reported();
      await changes.settled();
      expect(changes.all.length).toBeLessThan(10);
    });

    it("when another file is renamed over it", async () => {
      await writeFile(path, "[]");
      await watch();
      await writeFile(`${path}.new`, "[]");
      await rename(`${path}.new`, path);
      await reported();
    });

    it("when a symbolic link beside it is swapped, as in a mounted Kubernetes ConfigMap", async () => {
      for (const version of ["..1", "..2"]) {
        await mkdir(join(folder, version));
        await writeFile(join(folder, version, "targets.yml"), "[]");
      }
      await symlink("..1", join(folder, "..data"));
      await symlink(join("..data", "targets.yml"), path);
      await watch();
      await symlink("..2", join(folder, "..data_tmp"));
      await rename(join(folder, "..data_tmp"), join(folder, "..data"));
      await reported();
    });

    it("when it is created, deleted and created again", async () => {
      await watch();
      await writeFile(path, "[]");
      await reported();
      await rm(path);
      await reported();
      await writeFile(path, "[]");
      await reported();
    });

    it("by polling, without events: a link into another folder, a folder that is created later", async () => {
      const elsewhere = await mkdtemp(join(tmpdir(), "elsewhere-"));
      try {
        path = join(folder, "later", "targets.yml");
        await watch(50);
        await mkdir(join(folder, "later"));
        await writeFile(join(elsewhere, "real.yml"), "[]");
        await symlink(join(elsewhere, "real.yml"), path);
        await reported();
        await changes.settled();
        await writeFile(join(elsewhere, "real.yml"), "[] # changed");
        await reported();
      } finally {
        await rm(elsewhere, { recursive: true });
      }
    });

    it("but not when another file in the folder changes", async () => {
      await writeFile(path, "[]");
      await watch();
      await writeFile(join(folder, "other"), "x");
      await changes.settled();
      expect(changes.all).toEqual([]);
    });
  });
});
