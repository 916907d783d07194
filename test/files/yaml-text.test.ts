import { describe, expect, it } from "vitest";
import { parseYaml } from "../../src/files/yaml-text.js";

function problemOf(text: string): string {
  try {
    return `parsed: ${JSON.stringify(parseYaml(text))}`;
  } catch (error) {
    return (error as Error).message;
  }
}

describe("parseYaml with invalid YAML", () => {
  it.each([
    ["a: b: hunter2", /^line 1, column 4: .*in quotes$/],
    ["a: @hunter2", /^line 1, column 4: .*quotes$/],
    ["a: 1\nb: *hunter2", /^line 2, column 4: alias without an anchor; .*in quotes$/],
    ["a: 1\n*hunter2 : 3", /^line 2, column 1: alias/],
    ["a: &b 1\nc: [*b, *hunter2, &hunter2 1]", /^line 2, column 9: alias/],
    ['a:\n  b: "\\q hunter2"', /^line 2, column 7: /],
    ["a: |3x\n hunter2", /^line 1, column \d+: /],
    ["a: !hunter2! y", /^line 1, column 4: /],
    ["hunter2: 1\nhunter2: 2", /^line 2, column 1: duplicate key$/],
    ["a: |\n  b\n c: hunter2", /^line 3, column 1: .*indent/],
    ["a: 'hunter2", /^line 1, column \d+: missing .*/],
    ["a\n---\nhunter2", /^line 2, column 1: more than one document$/],
    ["a: &hunter2 [*hunter2]", /^line 1, column 14: alias inside its own anchor$/],
  ])("reports line and column, and quotes nothing: %j", (text, problem) => {
    expect(problemOf(text)).toMatch(problem);
    expect(problemOf(text)).not.toContain("hunter2");
  });
});

describe("parseYaml", () => {
  it("resolves aliases", () => {
    expect(parseYaml("a: &x {b: 1}\nc: *x\nd: [*x, *x]")).toEqual({
      a: { b: "1" },
      c: { b: "1" },
      d: [{ b: "1" }, { b: "1" }],
    });
  });

  it("resolves an alias to the latest anchor of its name", () => {
    expect(parseYaml("- &x 1\n- *x\n- &x 2\n- *x")).toEqual(["1", "1", "2", "2"]);
  });
});
