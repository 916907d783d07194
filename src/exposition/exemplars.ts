import type { MetricType } from "./metric-type.js";
import { SampleTail } from "./sample-tail.js";
import { readSeries } from "./series.js";

/** Whether samples of that name may have exemplars in OpenMetrics, as part of a family of that type. */
export function mayHaveExemplars(name: string, type: MetricType | undefined): boolean {
  if (type === "counter") return name.endsWith("_total");
  return (type === "histogram" || type === "gaugehistogram") && name.endsWith("_bucket");
}

/** The samples of OpenMetrics that are all of `bytes`, without their exemplars. */
export function withoutExemplars(bytes: Buffer): Buffer {
  const tail = new SampleTail();
  const pieces: Buffer[] = [];
  for (let pos = 0; pos < bytes.length; pos = tail.lineEnd + 1) {
    tail.read(bytes, readSeries(bytes, pos).end, "openmetrics");
    pieces.push(
      bytes.subarray(pos, tail.timeEnd || tail.valueEnd),
      bytes.subarray(tail.lineEnd, tail.lineEnd + 1),
    );
  }
  return Buffer.concat(pieces);
}
