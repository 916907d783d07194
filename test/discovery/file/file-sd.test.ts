import { describe, expect, it } from "vitest";
import { parseFileSd } from "../../../src/discovery/file/file-sd.js";

describe("parseFileSd", () => {
  it("parses JSON in the format of Prometheus", () => {
    const text =
      '[\n\t{"targets": ["a:9100", "b"], "labels": {"job": "node", "env": "prod"}, "source": "x"},\n{}]';
    expect(parseFileSd(text)).toEqual([
      { targets: ["a:9100", "b"], labels: { job: "node", env: "prod" } },
      { targets: [], labels: {} },
    ]);
  });

  it("parses YAML and keeps the text of scalars", () => {
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

  it("accepts an empty list, but not an empty file", () => {
    expect(parseFileSd("[]")).toEqual([]);
    expect(() => parseFileSd(" \n")).toThrow("the file is empty; write [] for no targets");
  });

  it.each([
    ["{}", "the file must be a list of groups with targets and labels"],
    ["targets", "the file must be a list of groups with targets and labels"],
    ["[1]", "group 1 must be a mapping with targets and labels"],
    ['[{}, {"targets": "a:1"}]', "group 2: targets must be a list"],
    ['[{"targets": ["a:1", 5]}]', "group 1, target 2: must be a string such as host:port"],
    ['[{"targets": [""]}]', "group 1, target 1: must be a string such as host:port"],
    ['[{"labels": []}]', "group 1: labels must be a mapping"],
    ['[{"labels": {"a": 1}}]', 'group 1, label "a": the value must be a string'],
    ["- target: [a]", 'group 1: unknown key "target"'],
  ])("rejects %s with place and reason", (text, reason) => {
    expect(() => parseFileSd(text)).toThrow(reason);
  });

  it("reports text that is neither JSON nor YAML in one line", () => {
    expect(() => parseFileSd('[{"targets": ["a"]')).toThrow(
      /^the file is neither JSON nor YAML: [^\n]*JSON[^\n]*$/,
    );
    expect(() => parseFileSd("- targets: [a\n- b: c")).toThrow(
      /^the file is neither JSON nor YAML: [^\n]*line 2[^\n]*$/,
    );
    expect(() => parseFileSd("- a: 1\n  a: 2")).toThrow(/line 2, column 3: duplicate key/);
  });

  it("limits the expansion of aliases", () => {
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
  ])("rejects deep nesting: %s", (_, text) => {
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
    "parses %s in seconds, not minutes",
    (_, text, reason) => {
      expect(() => parseFileSd(text)).toThrow(reason);
    },
    30_000,
  );

  it("ignores brackets in strings and comments when it limits nesting", () => {
    const text = `# ${"[".repeat(50)}\n- targets: ["a:1"]\n  labels: {note: "${"{".repeat(50)}"}`;
    expect(parseFileSd(text)).toEqual([{ targets: ["a:1"], labels: { note: "{".repeat(50) } }]);
  });

  it("rejects YAML that would block the event loop for too long", () => {
    const text = `# ${"x".repeat(2 * 1024 * 1024)}\n[]`;
    expect(() => parseFileSd(text)).toThrow("YAML exceeds 2 MiB: use JSON");
  });
});
