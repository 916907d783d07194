import { BoundedMap } from "../../bounded-map.js";
import type { Format } from "../../exposition/format.js";

/** How strongly a client prefers each format: a weight from 0 (not accepted) to 1 (RFC 9110 12.5.1). */
export type FormatWeights = Readonly<Record<Format, number>>;

const mediaTypes: Readonly<Record<Format, { readonly type: string; readonly versions: readonly string[] }>> =
  {
    text: { type: "text/plain", versions: ["0.0.4"] },
    openmetrics: { type: "application/openmetrics-text", versions: ["1.0.0", "0.0.1"] },
  };

/** Clients repeat the same header with every request: this many distinct ones are remembered. */
const maxRemembered = 100;

/** No scraper sends a longer header; the rest is ignored. */
const maxAcceptLength = 4096;

/** Returns a function that parses Accept headers and remembers recent results. */
export function acceptReader(): (header: string | undefined) => FormatWeights {
  const remembered = new BoundedMap<string | undefined, FormatWeights>(maxRemembered);
  return (header) => remembered.getOrCreate(header, () => readAccept(header));
}

/**
 * The weights of both formats in an Accept header. OpenMetrics is accepted only if the header names it: other clients,
 * such as curl or a browser, may pass the response to a parser of the text format. Without the header, or if it lists
 * neither, text is accepted: a client that requests HTML or JSON is a person or a tool that explores.
 *
 * A range with an unsupported version (such as text/plain;version=1.0.0) is ignored.
 */
export function readAccept(header: string | undefined): FormatWeights {
  const ranges = header === undefined ? [] : header.slice(0, maxAcceptLength).split(",").map(readRange);
  const weights = {
    text: exactWeight("text", ranges) ?? wildcardWeight(ranges),
    openmetrics: exactWeight("openmetrics", ranges) ?? 0,
  };
  return weights.text === 0 && weights.openmetrics === 0 ? { text: 1, openmetrics: 0 } : weights;
}

/**
 * The format of a response. OpenMetrics requires that every source is OpenMetrics, because text lacks information
 * for a faithful conversion; else text, which every scraper accepts.
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

/** The weight of the ranges that name a format: the highest one of several versions. */
function exactWeight(format: Format, ranges: readonly Range[]): number | undefined {
  const { type, versions } = mediaTypes[format];
  const weights = ranges
    .filter(
      (range) => range.type === type && (range.version === undefined || versions.includes(range.version)),
    )
    .map(({ weight }) => weight);
  return weights.length === 0 ? undefined : Math.max(...weights);
}

/** The weight of the most specific wildcard that matches text. */
function wildcardWeight(ranges: readonly Range[]): number {
  const range = ranges.find(({ type }) => type === "text/*") ?? ranges.find(({ type }) => type === "*/*");
  return range?.weight ?? 0;
}
