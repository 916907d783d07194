import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";

const root = join(import.meta.dirname, "../..");

/** Runs the list on a folder. */
function listIn(folder: string) {
  const list = spawnSync(process.execPath, [join(root, "scripts/lib/licences.mjs"), folder], {
    encoding: "utf8",
  });
  return { code: list.status, lines: list.stdout.split("\n").filter(Boolean), complaints: list.stderr };
}

interface Package {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
}

/** A folder with a lock file of these packages, and what is installed of them. */
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

describe("the licences of the packages that the program is shipped with", () => {
  it("are all of those that need no thought", () => {
    const { code, lines, complaints } = listIn(root);
    expect(complaints).toBe("");
    expect(code).toBe(0);
    const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const names = lines.map((line) => line.split(" ")[0]);
    expect(names).toEqual(expect.arrayContaining(Object.keys(dependencies)));
    expect(names).not.toContain("vitest");
  });
});

describe("the list of licences", () => {
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
  ])("that has a package under %s ends with %i", (license, code) => {
    const seen = listIn(folderWith({ "node_modules/a/node_modules/@b/c": { license } }));
    expect(seen).toMatchObject({ code, lines: [`@b/c 1.0.0 ${license}`] });
    expect(seen.complaints === "").toBe(code === 0);
  });

  it("leaves out what only the development needs", () => {
    const folder = folderWith({ "node_modules/a": { license: "GPL-3.0-only", dev: true } });
    expect(listIn(folder)).toEqual({ code: 0, lines: [], complaints: "" });
  });

  it("asks the installed package where the lock file is silent", () => {
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
    ["nobody says", {}],
    ["only another version says", { "node_modules/a": { version: "2.0.0", license: "MIT" } }],
  ])("fails where %s what the licence is", (_title, installed) => {
    const { code, complaints } = listIn(folderWith({ "node_modules/a": {} }, installed));
    expect(code).toBe(1);
    expect(complaints).toMatch(/^a 1\.0\.0: the licence is not known/);
  });
});
