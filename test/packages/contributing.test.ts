import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const read = (name: string) => readFileSync(join(import.meta.dirname, "../..", name), "utf8");

it("CONTRIBUTING.md says of each package why it is there, and of no other", () => {
  const [, section = ""] =
    /^## Packages, and why each is there\n(.*?)(?=^## |$(?![\s\S]))/ms.exec(read("CONTRIBUTING.md")) ?? [];
  const rows = [...section.matchAll(/^\| ([@\w./-]+) \| (.+) \|$/gm)];
  const { dependencies } = JSON.parse(read("package.json"));
  expect(rows.map(([, name]) => name).sort()).toEqual(Object.keys(dependencies).sort());
});
