import fc from "fast-check";
import { parseFileSd, type TargetGroup } from "../../../src/discovery/file/file-sd.js";
import { targetsOf } from "../../../src/discovery/file/file-target.js";
import { isEncodableSegment } from "../../../src/model/path-segment.js";
import type { Target } from "../../../src/model/target.js";
import { law, type Subject } from "../subject.js";
import { yamlWords } from "../yaml-words.js";

const label = fc.constantFrom(
  "job",
  "instance",
  "__scheme__",
  "__metrics_path__",
  "__param_a",
  "__param_",
  "env",
  "a-b",
  "__proto__",
);
const value = fc.oneof(fc.constantFrom("https", "/p?q=r", "a/b", "..", "1.10", "#"), fc.string());
const groups = fc.array(
  fc.record({
    targets: fc.array(
      fc.oneof(
        fc.constantFrom("a:80", "..", "-:80", "[::1]:9100", "a", "a:0", "http://a/", "[fe80::1%eth0]:80"),
        fc.string(),
      ),
      { maxLength: 4 },
    ),
    labels: fc.dictionary(label, value, { maxKeys: 5 }),
  }),
  { maxLength: 4 },
);

/** The targets file, in JSON and YAML: targets with valid URLs and names, or an error of one line. */
export const subject: Subject = {
  name: "targets-file",
  seeds: () =>
    [
      '[{"targets":["a:80","[::1]:9100"],"labels":{"job":"x","instance":"y","__scheme__":"https"}}]',
      "- targets: [a:80, 'b:81']\n  labels:\n    job: x # comment\n    env: \"y\"\n- targets:\n    - c\n",
      "- targets: &t [a]\n- targets: *t\n  labels: {<<: {a: b}}\n",
      "---\n- targets: [a]\n  labels:\n    a: |\n      text\n    b: >-\n      more\n...\n",
      "%YAML 1.2\n---\n- !!str a\n",
      "[]",
      "- ? targets\n  : [a]\n",
    ].map((text) => Buffer.from(text)),
  words: ["- targets: [a:80]\n", "  labels:\n    job: x\n", "  labels: {a: b}\n", ...yamlWords],
  madeUp: fc
    .tuple(groups, fc.boolean())
    .map(([list, json]) => Buffer.from(json ? JSON.stringify(list) : asYaml(list))),
  maxBytes: 32 * 1024,
  check(input) {
    const text = input.toString();
    let list: readonly TargetGroup[];
    try {
      list = parseFileSd(text);
    } catch (error) {
      // Expected errors are of class Error. Bugs throw subclasses, such as TypeError.
      const plain = error instanceof Error && error.constructor === Error;
      if (!plain) throw error;
      law(/^[^\r\n]{1,999}$/.test(error.message), "an error is one short line", () => error.message);
      return;
    }
    for (const target of list.flatMap((group) =>
      targetsOf(group, { metricsPath: "/metrics", node: "node1" }),
    ))
      checkTarget(target);
  },
};

function checkTarget(target: Target): void {
  for (const name of [target.job, target.replica, ...target.names]) {
    law(isEncodableSegment(name), "a name is a valid path segment", () => target);
    encodeURIComponent(name);
  }
  for (const name of Object.keys(target.labels)) {
    law(
      /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) && !name.startsWith("__"),
      "a label has a valid name",
      () => target,
    );
  }
  if (target.fetch.kind !== "http") return;
  for (const url of target.fetch.urls) {
    const { protocol, username, hash } = new URL(url);
    law(/^https?:$/.test(protocol) && username === "" && hash === "", "a target has a valid URL", () => url);
  }
}

function asYaml(
  list: readonly { readonly targets: readonly string[]; readonly labels: Record<string, string> }[],
): string {
  return list
    .map(({ targets, labels }) => {
      const pairs = Object.entries(labels).map(([key, text]) => `    ${key}: ${text}\n`);
      return `- targets: [${targets.join(", ")}]\n${pairs.length === 0 ? "" : `  labels:\n${pairs.join("")}`}`;
    })
    .join("");
}
