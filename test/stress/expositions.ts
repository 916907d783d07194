import { textType } from "../support/target-server.js";

const mebibyte = 1024 * 1024;
const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** The expositions of a hostile service. */
export interface Shape {
  readonly replicas: number;
  readonly contentType: string;
  /**
   * @param replica from 0.
   * @param round differs from scrape to scrape, so that no work for an earlier scrape can be reused.
   */
  build(replica: number, round: number): string;
}

const shape = (build: Shape["build"], replicas = 2, contentType = textType): Shape => ({
  replicas,
  contentType,
  build,
});
const repeat = (count: number, item: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => item(index)).join("");

/** Lines of an index up to a size in bytes. */
function upTo(bytes: number, line: (index: number) => string): string {
  const lines: string[] = [];
  for (let size = 0, index = 0; size < bytes; index++) {
    const next = line(index);
    lines.push(next);
    size += next.length;
  }
  return lines.join("");
}

/** Lines with many labels, whose values have other lengths in each line. */
const labels = (lines: number, count: number) => (replica: number, round: number) =>
  repeat(
    lines,
    (line) =>
      `labels{${repeat(count, (label) => `l${label}="${"v".repeat(1 + ((label + line + round) % 3))}",`)}line="${line}"} ${replica}\n`,
  );

/** Each line has other label names than the lines before it. */
const dissimilar = (replica: number, round: number) =>
  upTo(8 * mebibyte, (index) => {
    const names = repeat(
      1 + (index % 5),
      (label) => `n${(index * 7919 + label * 31) % 1_000_003}="${label}",`,
    );
    return `d${index % 997}_${index % 13}{${names}i="${index}"} ${round + replica}.${"1".repeat(index % 40)}\n`;
  });

/** Shapes of expositions that are valid, but expensive to validate, merge or convert. */
export const shapes: Readonly<Record<string, Shape>> = {
  labels: shape(labels(6, 60_000)),
  wide: shape(labels(100, 5000)),
  families: shape((replica, round) =>
    upTo(8 * mebibyte, (index) => {
      const name = `f${(index * (replica === 0 ? 1 : 7919)) % 200_003}`;
      return `# HELP ${name} Help.\n# TYPE ${name} gauge\n${name} ${round}\n`;
    }),
  ),
  conflicts: shape((replica, round) =>
    upTo(
      4 * mebibyte,
      (index) => `# TYPE c${index} ${replica === 0 ? "gauge" : "counter"}\nc${index} ${round}\n`,
    ),
  ),
  metadata: shape((replica, round) =>
    upTo(
      8 * mebibyte,
      (index) => `# HELP m${index} ${"x".repeat(index % 200)}\n# TYPE m${index} gauge\n# ${replica}\n`,
    ).concat(`m ${round}\n`),
  ),
  long: shape((replica, round) =>
    repeat(
      8,
      (index) =>
        `long{a="${String.fromCharCode(97 + ((index + round) % 26)).repeat(mebibyte - index)}"} ${replica}\n`,
    ),
  ),
  escapes: shape((replica, round) =>
    upTo(
      6 * mebibyte,
      (index) => `e{a="${'\\\\\\"\\n'.repeat(1 + (index % 300))}é",i="${index}"} ${round + replica}\n`,
    ),
  ),
  blanks: shape((replica, round) =>
    upTo(
      8 * mebibyte,
      (index) =>
        `b {${" ".repeat(index % 50)}i = "${index}" ,  }${" ".repeat(index % 31)} ${round + replica}\n\n`,
    ),
  ),
  exemplars: shape(
    (replica, round) =>
      `# TYPE x counter\n${upTo(8 * mebibyte, (index) => `x_total{i="${index}"} ${round} 1.5 # {trace_id="${index}${replica}"} 1 1.5\n`)}# EOF\n`,
    2,
    openMetricsType,
  ),
  "dissimilar-a": shape(dissimilar),
  "dissimilar-b": shape(dissimilar),
  // Just below SCRAPE_MAX_BYTES.
  limit: shape((replica, round) =>
    upTo(
      63 * mebibyte,
      (index) =>
        `limit_bucket{instance_name="a name of ${"some".repeat(40)} length",le="${index}"} ${round + replica}\n`,
    ),
  ),
  flood: shape((replica, round) => `flood ${replica + round}\n`, 1000),
};
