import { describe, expect, it } from "vitest";
import { parseFileSd } from "../../../src/discovery/file/file-sd.js";

describe("a targets file", () => {
  it("is JSON as Prometheus documents it", () => {
    const text =
      '[\n\t{"targets": ["a:9100", "b"], "labels": {"job": "node", "env": "prod"}, "source": "x"},\n{}]';
    expect(parseFileSd(text)).toEqual([
      { targets: ["a:9100", "b"], labels: { job: "node", env: "prod" } },
      { targets: [], labels: {} },
    ]);
  });

  it("is YAML, whose plain scalars stay as they are written", () => {
    const text = [
      "# ours",
      "- targets: [a:9100, '[::1]:80']",
      "  labels:",
      "    job: node",
      "    version: 1.10",
      "    debug: yes",
      "    port: 0x10",
      "- targets:",
      "  - b",
      "  labels:",
    ].join("\n");
    expect(parseFileSd(text)).toEqual([
      {
        targets: ["a:9100", "[::1]:80"],
        labels: { job: "node", version: "1.10", debug: "yes", port: "0x10" },
      },
      { targets: ["b"], labels: {} },
    ]);
  });

  it("may hold no targets, but say so", () => {
    expect(parseFileSd("[]")).toEqual([]);
    expect(() => parseFileSd(" \n")).toThrow("it is empty; a list without targets is written []");
  });

  it.each([
    ["{}", "it must be a list of groups with targets and labels"],
    ["targets", "it must be a list of groups with targets and labels"],
    ["[1]", "group 1: it must be a map with targets and labels"],
    ['[{}, {"targets": "a:1"}]', "group 2: targets must be a list"],
    ['[{"targets": ["a:1", 5]}]', "group 1, target 2: it must be a text such as host:port"],
    ['[{"targets": [""]}]', "group 1, target 1: it must be a text such as host:port"],
    ['[{"labels": []}]', "group 1: labels must be a map"],
    ['[{"labels": {"a": 1}}]', 'group 1, label "a": its value must be a text'],
    ["- target: [a]", 'group 1: unknown key "target"'],
  ])("says where and why %s cannot be used", (text, reason) => {
    expect(() => parseFileSd(text)).toThrow(reason);
  });

  it("says what is wrong with text that is neither JSON nor YAML, in one line", () => {
    expect(() => parseFileSd('[{"targets": ["a"]')).toThrow(
      /^it is neither JSON nor YAML: [^\n]*JSON[^\n]*$/,
    );
    expect(() => parseFileSd("- targets: [a\n- b: c")).toThrow(
      /^it is neither JSON nor YAML: [^\n]*line 2[^\n]*$/,
    );
    expect(() => parseFileSd("- a: 1\n  a: 2")).toThrow(/line 2, column 3: a key is there twice/);
  });

  it("does not grow without bound from aliases", () => {
    const levels = Array.from({ length: 9 }, (_, level) => {
      const before = level === 0 ? "x" : `*l${level - 1}`;
      return `- &l${level} [${Array(9).fill(before).join(",")}]`;
    });
    expect(() => parseFileSd(levels.join("\n"))).toThrow(/alias/);
  });

  it.each([
    ["lists in lists", "[".repeat(200_000)],
    ["closed lists in lists", `${"[".repeat(5000)}${"]".repeat(5000)}`],
    ["maps in maps", "{a: ".repeat(200_000)],
    ["items in items", `${"- ".repeat(200_000)}x`],
    ["indented maps", Array.from({ length: 2000 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n")],
  ])("refuses what is nested too deep to be read: %s", (_, text) => {
    expect(() => parseFileSd(text)).toThrow(/neither JSON nor YAML|must be a/);
  });

  it.each([
    ["a line of faults", `- a\n${'}:b": "x"}'.repeat(16_000)}`, /line 2, column 1: unexpected token/],
    [
      "a map of many keys",
      Array.from({ length: 100_000 }, (_, key) => `k${key}: x`).join("\n"),
      /must be a list/,
    ],
  ])(
    "reads %s no slower than other text of that length, which is seconds and not minutes",
    (_, text, reason) => {
      expect(() => parseFileSd(text)).toThrow(reason);
    },
    30_000,
  );

  it("takes brackets in text and comments for what they are", () => {
    const text = `# ${"[".repeat(50)}\n- targets: ["a:1"]\n  labels: {note: "${"{".repeat(50)}"}`;
    expect(parseFileSd(text)).toEqual([{ targets: ["a:1"], labels: { note: "{".repeat(50) } }]);
  });

  it("refuses YAML so large that reading it would hold up everything else", () => {
    const text = `# ${"x".repeat(2 * 1024 * 1024)}\n[]`;
    expect(() => parseFileSd(text)).toThrow("more than 2 MiB of YAML: write it as JSON");
  });
});
