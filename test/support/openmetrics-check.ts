const suffixesOf: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total", "_created"],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count", "_created"],
  gaugehistogram: ["_bucket", "_gsum", "_gcount"],
  summary: ["", "_sum", "_count", "_created"],
  info: ["_info"],
  stateset: [""],
  unknown: [""],
};

const number = /^[+-]?(\d+\.?\d*(e[+-]?\d+)?|\.\d+(e[+-]?\d+)?|inf(inity)?|nan)$/i;
const name = '(?:[a-zA-Z_:][a-zA-Z0-9_:]*|"(?:[^"\\\\\\n]|\\\\.)+")';
const quoted = '"(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const label = `(?:[a-zA-Z_][a-zA-Z0-9_]*|"(?:[^"\\\\\\n]|\\\\["\\\\n])+")=${quoted}`;
const metadataLine = new RegExp(`^# (TYPE|UNIT|HELP) (${name}) ([^\\n]*)$`);
const sampleLine = new RegExp(
  `^(?:([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\\{((?:${label}(?:,${label})*)?)\\})?|\\{(${quoted})((?:,${label})*)\\}) (\\S+)(?: ([^\\s#]+))?( # [^\\n]*)?$`,
);
const exemplarPart = new RegExp(`^ # \\{((?:${label}(?:,${label})*)?)\\} (\\S+)(?: (\\S+))?$`);

interface Family {
  readonly name: string;
  type: string;
  /** Keywords of the metadata lines so far. */
  readonly keywords: string[];
  samples: number;
}

/**
 * A strict OpenMetrics 1.0 parser for tests. Returns the first error with its line, or undefined. It checks rules of the
 * specification that Prometheus ignores: order and number of metadata lines, contiguous families, sample names, units,
 * exemplars, unique series.
 */
export function openMetricsFault(text: string): string | undefined {
  const lines = text.split("\n");
  if (lines.pop() !== "") return "the last line does not end with a line feed";
  if (lines.pop() !== "# EOF") return "the last line is not # EOF";
  const families = new Map<string, Family>();
  const metrics = new Map<string, Family>();
  const series = new Set<string>();
  let current: Family | undefined;

  const open = (family: string): Family | string => {
    if (current?.name === family) return current;
    if (families.has(family)) return `family ${family} is not contiguous`;
    if (metrics.has(family))
      return `family ${family} has the name of samples of ${metrics.get(family)?.name}`;
    current = { name: family, type: "unknown", keywords: [], samples: 0 };
    families.set(family, current);
    return current;
  };

  for (const [index, line] of lines.entries()) {
    const fault = line.startsWith("#") ? metadata(line) : sample(line);
    if (fault !== undefined) return `line ${index + 1}: ${fault}: ${line}`;
  }
  return undefined;

  function metadata(line: string): string | undefined {
    const [, keyword, family, content] = metadataLine.exec(line) ?? [];
    if (keyword === undefined) return "not TYPE, UNIT or HELP";
    const found = open(bare(family!));
    if (typeof found === "string") return found;
    if (found.samples > 0) return `${keyword} after samples`;
    const order = ["TYPE", "UNIT", "HELP"];
    if (found.keywords.some((earlier) => order.indexOf(earlier) >= order.indexOf(keyword))) {
      return `${keyword} after ${found.keywords.at(-1)}`;
    }
    found.keywords.push(keyword);
    if (keyword === "TYPE") {
      if (!(content! in suffixesOf)) return "unknown type";
      found.type = content!;
    }
    if (keyword === "UNIT") {
      if (!found.name.endsWith(`_${content}`)) return "the name does not end with the unit";
      if (found.type === "info" || found.type === "stateset") return `a unit for type ${found.type}`;
    }
    if (keyword === "HELP" && /(^|[^\\])(\\\\)*(\\[^\\"n]|\\$|")/.test(content!))
      return "invalid escape in HELP";
    return undefined;
  }

  function sample(line: string): string | undefined {
    const match = sampleLine.exec(line);
    if (match === null) return "not a sample";
    const [, plain, plainLabels, quotedName, quotedLabels, value, time, exemplar] = match;
    const metric = plain ?? bare(quotedName!);
    const labels = (plainLabels ?? quotedLabels ?? "").match(new RegExp(label, "g")) ?? [];
    const names = labels.map((pair) => bare(/^("(?:[^"\\]|\\.)+"|[^=]+)=/.exec(pair)![1]!));
    const suffixes: readonly string[] = suffixesOf[current?.type ?? "unknown"]!;
    if (current === undefined || !suffixes.some((suffix) => current!.name + suffix === metric)) {
      const found = open(metric);
      if (typeof found === "string") return found;
      if (found.keywords.length > 0 && !suffixesOf[found.type]!.includes(""))
        return `not a sample of a ${found.type}`;
    }
    const family = current!;
    const suffix = metric.slice(family.name.length);
    if (metrics.has(metric) && metrics.get(metric) !== family) return "a name of another family";
    metrics.set(metric, family);
    family.samples++;

    if (!number.test(value!)) return "not a number";
    if (time !== undefined && !number.test(time)) return "not a timestamp";
    if (new Set(names).size < names.length) return "duplicate label";
    const needed = neededLabel(family, suffix);
    if (needed !== undefined && !names.includes(needed)) return `no label ${needed}`;
    const key = JSON.stringify([metric, ...labels.filter((pair) => !pair.endsWith('=""')).sort()]);
    if (series.has(key)) return "duplicate series";
    series.add(key);
    return exemplar === undefined ? undefined : exemplarFault(exemplar, family, suffix);
  }
}

function neededLabel({ name: family, type }: Family, suffix: string): string | undefined {
  if (suffix === "_bucket") return "le";
  if (suffix === "" && type === "summary") return "quantile";
  return type === "stateset" ? family : undefined;
}

function exemplarFault(exemplar: string, { type }: Family, suffix: string): string | undefined {
  const allowed =
    (type === "counter" && suffix === "_total") ||
    ((type === "histogram" || type === "gaugehistogram") && suffix === "_bucket");
  if (!allowed) return `an exemplar on a ${type}${suffix}`;
  const [whole, , value, time] = exemplarPart.exec(exemplar) ?? [];
  if (whole === undefined) return "not an exemplar";
  return number.test(value!) && (time === undefined || number.test(time))
    ? undefined
    : "invalid number in the exemplar";
}

function bare(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1) : text;
}
