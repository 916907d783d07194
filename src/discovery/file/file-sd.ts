import { parseYaml } from "../../files/yaml-text.js";
import { quoted } from "../../model/path-segment.js";

/** A group of Prometheus' file_sd format: targets that share labels. */
export interface TargetGroup {
  /** As written: `host:port` or `host`. */
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Reads a list of target groups, `[{"targets": ["host:port"], "labels": {"job": "a"}}]`, as JSON or as YAML 1.2,
 * whichever it is. YAML's plain scalars are taken as they are written, as Prometheus does: a label `1.10` stays
 * `1.10`. An unknown key is an error in YAML, and overlooked in JSON, as in Prometheus.
 *
 * @throws an Error that says where and why it cannot be used.
 */
export function parseFileSd(text: string): readonly TargetGroup[] {
  if (text.trim() === "") throw new Error("it is empty; a list without targets is written []");
  const { document, strict } = parseDocument(text);
  if (!Array.isArray(document)) throw new Error("it must be a list of groups with targets and labels");
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
    // What begins like JSON was meant to be JSON.
    const error = /^\s*[[{]/.test(text) ? jsonError : yamlError;
    throw new Error(`it is neither JSON nor YAML: ${firstLine(error)}`, { cause: error });
  }
}

function readGroup(group: unknown, where: string, strict: boolean): TargetGroup {
  if (!isRecord(group)) throw new Error(`${where}: it must be a map with targets and labels`);
  const unknownKey = Object.keys(group).find((key) => key !== "targets" && key !== "labels");
  if (strict && unknownKey !== undefined) throw new Error(`${where}: unknown key ${quoted(unknownKey)}`);
  const { targets, labels } = group as { targets?: unknown; labels?: unknown };
  if (!isAbsent(targets) && !Array.isArray(targets)) throw new Error(`${where}: targets must be a list`);
  if (!isAbsent(labels) && !isRecord(labels)) throw new Error(`${where}: labels must be a map`);
  return {
    targets: (isAbsent(targets) ? [] : (targets as unknown[])).map((target, index) => {
      if (typeof target === "string" && target !== "") return target;
      throw new Error(`${where}, target ${index + 1}: it must be a text such as host:port`);
    }),
    labels: isAbsent(labels) ? {} : readLabels(labels as Record<string, unknown>, where),
  };
}

function readLabels(labels: Record<string, unknown>, where: string): Readonly<Record<string, string>> {
  const texts = Object.entries(labels).map(([name, value]): [string, string] => {
    if (typeof value === "string") return [name, value];
    throw new Error(`${where}, label ${quoted(name)}: its value must be a text`);
  });
  return Object.fromEntries(texts);
}

/** Nothing there: null in JSON, an empty scalar in YAML. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What JSON.parse says quotes some of the text as it is. */
function firstLine(error: unknown): string {
  return (error as Error).message.split(/[\r\n]/)[0] ?? "";
}
