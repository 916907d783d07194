import type { Format } from "../../exposition/format.js";

/** How gladly a client takes each format: a weight from 0 (not at all) to 1, as in RFC 9110 12.5.1. */
export type FormatWeights = Readonly<Record<Format, number>>;

const mediaTypes: Readonly<Record<Format, { readonly type: string; readonly versions: readonly string[] }>> =
  {
    text: { type: "text/plain", versions: ["0.0.4"] },
    openmetrics: { type: "application/openmetrics-text", versions: ["1.0.0", "0.0.1"] },
  };

/** Clients say the same with every request: what they said is read once. This many of them are remembered. */
const maxRemembered = 100;

/** Longer headers are no scraper's; what is behind this length does not count. */
const maxAcceptLength = 4096;

/** Reads Accept headers, remembering those that it has read. */
export function acceptReader(): (header: string | undefined) => FormatWeights {
  const remembered = new Map<string | undefined, FormatWeights>();
  return (header) => {
    const known = remembered.get(header);
    if (known !== undefined) return known;
    const weights = readAccept(header);
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(header, weights);
    return weights;
  };
}

/**
 * What a client's Accept says of the two formats. Without the header, or with one that names neither, both are
 * welcome: a client that asks for HTML or JSON is a person or a tool that wants to see what there is.
 *
 * A range with a version that we do not speak (such as text/plain;version=1.0.0) does not count.
 */
export function readAccept(header: string | undefined): FormatWeights {
  const ranges = header === undefined ? [] : header.slice(0, maxAcceptLength).split(",").map(readRange);
  const weights = { text: weightOf("text", ranges), openmetrics: weightOf("openmetrics", ranges) };
  return weights.text === 0 && weights.openmetrics === 0 ? { text: 1, openmetrics: 1 } : weights;
}

/**
 * The format to answer in. OpenMetrics only where all sources are that, as text says less and cannot be made into
 * it faithfully; else text, which every scraper reads.
 */
export function chooseFormat(weights: FormatWeights, sources: Iterable<Format>): Format {
  for (const source of sources) if (source === "text") return "text";
  return weights.openmetrics >= weights.text ? "openmetrics" : "text";
}

interface Range {
  readonly type: string;
  readonly version: string | undefined;
  readonly weight: number;
}

function readRange(text: string): Range {
  const [type = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const parameter = (name: string) => {
    const found = parameters.find((candidate) => candidate.startsWith(`${name}=`));
    return found?.slice(name.length + 1).replace(/^"(.*)"$/, "$1");
  };
  const weight = Number(parameter("q") ?? 1);
  return { type, version: parameter("version"), weight: weight >= 0 && weight <= 1 ? weight : 0 };
}

/** The weight of the most specific range that takes the format; of several versions the most welcome one. */
function weightOf(format: Format, ranges: readonly Range[]): number {
  const { type, versions } = mediaTypes[format];
  const exact = ranges.filter(
    (range) => range.type === type && (range.version === undefined || versions.includes(range.version)),
  );
  if (exact.length > 0) return Math.max(...exact.map(({ weight }) => weight));
  const group = `${type.split("/")[0]}/*`;
  for (const wildcard of [group, "*/*"]) {
    const range = ranges.find((candidate) => candidate.type === wildcard);
    if (range !== undefined) return range.weight;
  }
  return 0;
}
