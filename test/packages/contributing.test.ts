import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");
const read = (name: string) => readFileSync(join(root, name), "utf8");

describe("CONTRIBUTING.md", () => {
  const text = read("CONTRIBUTING.md");

  it("gives the reason for each production package, and lists no other", () => {
    const [, section = ""] =
      /^## Packages, and why each is there\n(.*?)(?=^## |$(?![\s\S]))/ms.exec(text) ?? [];
    const rows = [...section.matchAll(/^\| ([@\w./-]+) \| (.+) \|$/gm)];
    const { dependencies } = JSON.parse(read("package.json"));
    expect(rows.map(([, name]) => name).sort()).toEqual(Object.keys(dependencies).sort());
  });

  it("names only files that exist", () => {
    const paths = [...text.matchAll(/`([\w./-]+\.(?:ts|mjs))`/g)].map(([, path]) => path!);
    expect(paths.length).toBeGreaterThan(50);
    const missing = paths.filter(
      (path) => !existsSync(join(root, "src", path)) && !existsSync(join(root, path)),
    );
    expect(missing).toEqual([]);
  });
});
