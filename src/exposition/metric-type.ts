import type { Format } from "./format.js";

/** The types of OpenMetrics. */
export const metricTypes = [
  "counter",
  "gauge",
  "histogram",
  "gaugehistogram",
  "summary",
  "info",
  "stateset",
  "unknown",
] as const;

/** A type of OpenMetrics. The text format has five of them, and its name for unknown is untyped. */
export type MetricType = (typeof metricTypes)[number];

/** Reads the type in a valid TYPE line. */
export function readType(word: string): MetricType {
  return metricTypes.find((type) => type === word) ?? "unknown";
}

/** The name of the type in a TYPE line. */
export function writeType(type: MetricType, format: Format): string {
  return format === "text" && type === "unknown" ? "untyped" : type;
}

/** Labels that some samples of a family must have, as bits: `le`, `quantile`, and one with the name of the family. */
export const labelBits = { le: 1, quantile: 2, own: 4 } as const;

/** One kind of samples in a family. */
export interface Part {
  /** Sample name = family name + suffix. */
  readonly suffix: string;
  /** The label that each of the samples must have, as in labelBits; 0 for none. */
  readonly label: number;
}

const plain: readonly Part[] = [{ suffix: "", label: 0 }];
const quantiles: Part = { suffix: "", label: labelBits.quantile };
const buckets: Part = { suffix: "_bucket", label: labelBits.le };
const suffixed = (...suffixes: string[]): Part[] => suffixes.map((suffix) => ({ suffix, label: 0 }));

/** Types that are not listed have only samples with the name of the family. */
type Parts = Partial<Record<MetricType, readonly Part[]>>;

const textParts: Parts = {
  histogram: [buckets, ...suffixed("_sum", "_count")],
  summary: [quantiles, ...suffixed("_sum", "_count")],
};

const openMetricsParts: Parts = {
  counter: suffixed("_total", "_created"),
  histogram: [buckets, ...suffixed("_sum", "_count", "_created")],
  gaugehistogram: [buckets, ...suffixed("_gsum", "_gcount")],
  summary: [quantiles, ...suffixed("_sum", "_count", "_created")],
  info: suffixed("_info"),
  stateset: [{ suffix: "", label: labelBits.own }],
};

/** The kinds of samples in a family of this type. */
export function partsOf(type: MetricType, format: Format): readonly Part[] {
  return (format === "text" ? textParts : openMetricsParts)[type] ?? plain;
}

/** The family that a sample name belongs to, and the part of that family. */
export interface Owner {
  readonly family: string;
  readonly type: MetricType;
  readonly part: Part;
}

const suffixes: ReadonlySet<string> = new Set(
  Object.values(openMetricsParts).flatMap((parts) => parts.map(({ suffix }) => suffix)),
);

/** The types of families, by family name. */
export type TypeOf = Pick<ReadonlyMap<string, MetricType | undefined>, "get">;

/** Finds the family with a declared type whose name plus a suffix is `name`. */
export function ownerBySuffix(name: string, types: TypeOf, format: Format): Owner | undefined {
  const start = name.lastIndexOf("_");
  const suffix = start < 0 ? "" : name.slice(start);
  if (suffix === "" || !suffixes.has(suffix)) return undefined;
  const family = name.slice(0, start);
  const type = types.get(family);
  const part = type && partsOf(type, format).find((candidate) => candidate.suffix === suffix);
  return type && part && { family, type, part };
}
