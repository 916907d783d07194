import { parseYaml } from "../../files/yaml-text.js";
import { quoted } from "../../model/path-segment.js";

/** A group of targets with common labels, in Prometheus' file_sd format. */
export interface TargetGroup {
  /** As written: `host:port` or `host`. */
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Parses a list of target groups, `[{"targets": ["host:port"], "labels": {"job": "a"}}]`, in JSON or YAML 1.2. As in
 * Prometheus, YAML scalars keep their text (a label `1.10` stays `1.10`), and an unknown key is an error in YAML, but
 * ignored in JSON.
 *
 * @throws an Error with place and reason.
 */
export function parseFileSd(text: string): readonly TargetGroup[] {
  if (text.trim() === "") throw new Error("the file is empty; write [] for no targets");
  const { document, strict } = parseDocument(text);
  if (!Array.isArray(document)) throw new Error("the file must be a list of groups with targets and labels");
  return document.map((group, index) => readGroup(group, `group ${index + 1}`, strict));
}

function parseDocument(text: string): { readonly document: unknown; readonly strict: boolean } {
  let jsonError: unknown;
  try {
    return { document: JSON.parse(text), strict: false };
  } catch (error) {
    jsonError = error;
  }
  try {
    return { document: parseYaml(text), strict: true };
  } catch (yamlError) {
    // A file that begins like JSON was meant to be JSON.
    const error = /^\s*[[{]/.test(text) ? jsonError : yamlError;
    throw new Error(`the file is neither JSON nor YAML: ${firstLine(error)}`, { cause: error });
  }
}

function readGroup(group: unknown, where: string, strict: boolean): TargetGroup {
  if (!isRecord(group)) throw new Error(`${where} must be a mapping with targets and labels`);
  const unknownKey = Object.keys(group).find((key) => key !== "targets" && key !== "labels");
  if (strict && unknownKey !== undefined) throw new Error(`${where}: unknown key ${quoted(unknownKey)}`);
  const { targets, labels } = group as { targets?: unknown; labels?: unknown };
  if (!isAbsent(targets) && !Array.isArray(targets)) throw new Error(`${where}: targets must be a list`);
  if (!isAbsent(labels) && !isRecord(labels)) throw new Error(`${where}: labels must be a mapping`);
  return {
    targets: (isAbsent(targets) ? [] : (targets as unknown[])).map((target, index) => {
      if (typeof target === "string" && target !== "") return target;
      throw new Error(`${where}, target ${index + 1}: must be a string such as host:port`);
    }),
    labels: isAbsent(labels) ? {} : readLabels(labels as Record<string, unknown>, where),
  };
}

function readLabels(labels: Record<string, unknown>, where: string): Readonly<Record<string, string>> {
  const texts = Object.entries(labels).map(([name, value]): [string, string] => {
    if (typeof value === "string") return [name, value];
    throw new Error(`${where}, label ${quoted(name)}: the value must be a string`);
  });
  return Object.fromEntries(texts);
}

/** Empty: null in JSON, an empty scalar in YAML. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Messages of JSON.parse quote the text, including line breaks. */
function firstLine(error: unknown): string {
  return (error as Error).message.split(/[\r\n]/)[0] ?? "";
}
