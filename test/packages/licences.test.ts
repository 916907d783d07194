import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";

const root = join(import.meta.dirname, "../..");

/** Runs licences.mjs on a folder. */
function listIn(folder: string) {
  const list = spawnSync(process.execPath, [join(root, "scripts/lib/licences.mjs"), folder], {
    encoding: "utf8",
  });
  return { code: list.status, lines: list.stdout.split("\n").filter(Boolean), errors: list.stderr };
}

interface Package {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
}

/** A folder with a lock file of these packages, and the installed ones. */
function folderWith(packages: Readonly<Record<string, Package>>, installed: Record<string, object> = {}) {
  const folder = tempFolder();
  const entries = Object.entries(packages).map(([path, entry]) => [path, { version: "1.0.0", ...entry }]);
  writeFileSync(
    join(folder, "package-lock.json"),
    JSON.stringify({ packages: { "": {}, ...Object.fromEntries(entries) } }),
  );
  for (const [path, manifest] of Object.entries(installed)) {
    mkdirSync(join(folder, path), { recursive: true });
    writeFileSync(join(folder, path, "package.json"), JSON.stringify({ version: "1.0.0", ...manifest }));
  }
  return folder;
}

describe("the licences of the production packages", () => {
  it("are all permissive", () => {
    const { code, lines, errors } = listIn(root);
    expect(errors).toBe("");
    expect(code).toBe(0);
    const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const names = lines.map((line) => line.split(" ")[0]);
    expect(names).toEqual(expect.arrayContaining(Object.keys(dependencies)));
    expect(names).not.toContain("vitest");
  });
});

describe("licences.mjs", () => {
  it.each([
    ["MIT", 0],
    ["(MIT OR GPL-3.0-only)", 0],
    ["MIT AND Apache-2.0", 0],
    ["GPL-3.0-only", 1],
    ["AGPL-3.0-or-later", 1],
    ["MIT AND GPL-3.0-only", 1],
    ["(MIT OR GPL-3.0-only) AND SSPL-1.0", 1],
    ["SEE LICENSE IN LICENSE.md", 1],
    ["UNLICENSED", 1],
  ])("exits for a package with the licence %s with %i", (license, code) => {
    const seen = listIn(folderWith({ "node_modules/a/node_modules/@b/c": { license } }));
    expect(seen).toMatchObject({ code, lines: [`@b/c 1.0.0 ${license}`] });
    expect(seen.errors === "").toBe(code === 0);
  });

  it("omits development packages", () => {
    const folder = folderWith({ "node_modules/a": { license: "GPL-3.0-only", dev: true } });
    expect(listIn(folder)).toEqual({ code: 0, lines: [], errors: "" });
  });

  it("reads the licence of the installed package if the lock file has none", () => {
    const folder = folderWith(
      { "node_modules/old": {}, "node_modules/older": {} },
      {
        "node_modules/old": { license: { type: "ISC" } },
        "node_modules/older": { licenses: [{ type: "MIT" }] },
      },
    );
    expect(listIn(folder)).toMatchObject({ code: 0, lines: ["old 1.0.0 ISC", "older 1.0.0 MIT"] });
  });

  it.each([
    ["there is no licence", {}],
    ["only another version has a licence", { "node_modules/a": { version: "2.0.0", license: "MIT" } }],
  ])("fails if %s", (_title, installed) => {
    const { code, errors } = listIn(folderWith({ "node_modules/a": {} }, installed));
    expect(code).toBe(1);
    expect(errors).toMatch(/^a 1\.0\.0: the licence is unknown/);
  });
});
