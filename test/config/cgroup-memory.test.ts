import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { cgroupMemoryLimit } from "../../src/config/cgroup-memory.js";

const v2 = "memory.max";
const v1 = "memory/memory.limit_in_bytes";

function cgroup(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), "cgroup-test-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

describe("cgroupMemoryLimit", () => {
  it.each([
    ["version 2", { [v2]: "268435456\n" }, 268_435_456],
    ["version 1", { [v1]: "134217728\n" }, 134_217_728],
  ])("reads the limit of cgroup %s", (_version, files, limit) => {
    expect(cgroupMemoryLimit(cgroup(files))).toBe(limit);
  });

  it.each([
    ["version 2 without a limit", { [v2]: "max\n" }],
    ["version 1 without a limit", { [v1]: "9223372036854771712\n" }],
    ["an unreadable value", { [v2]: "many\n" }],
    ["a limit of zero", { [v2]: "0\n" }],
    ["no cgroup", {}],
  ])("returns undefined for %s", (_case, files) => {
    expect(cgroupMemoryLimit(cgroup(files))).toBeUndefined();
  });
});
