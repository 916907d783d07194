import { isUtf8 } from "node:buffer";
import {
  BRACE_OPEN,
  HASH,
  isOneOf,
  LINE_FEED,
  QUOTE,
  SPACE,
  startsName,
  startsWith,
  UNDERSCORE,
} from "./bytes.js";
import { LabelSetScanner } from "./label-set.js";
import { scanFamilyName } from "./metadata.js";
import { metricTypes } from "./metric-type.js";
import { scanFloat, scanValue } from "./number.js";
import { RecordScanner } from "./record-scanner.js";

/**
 * Scans OpenMetrics 1.0 as Prometheus does: exactly one space separates the parts, only HELP, TYPE, UNIT and `# EOF` may
 * follow a `#`, and the text ends with `# EOF`. Prometheus does not check the other rules of the specification (order,
 * suffixes, contiguous families). Every sample may have an exemplar.
 */
export class OpenMetricsScanner extends RecordScanner {
  private readonly exemplarLabels = new LabelSetScanner("openmetrics", false);

  constructor() {
    super("openmetrics");
  }

  scan(bytes: Buffer, start: number, end: number): number {
    if (this.complete) return this.fault("data after # EOF");
    const first = bytes[start]!;
    if (startsName(first) || first === BRACE_OPEN) return this.scanSample(bytes, start, end);
    if (first === HASH) return this.scanMetadata(bytes, start);
    return this.fault(first === LINE_FEED ? "blank line" : "neither a sample nor metadata");
  }

  private scanSample(bytes: Buffer, start: number, end: number): number {
    let pos = this.scanSeries(bytes, start, end);
    if (pos < 0) return pos;
    pos = this.scanSampleValue(bytes, pos);
    if (pos < 0) return pos;
    if (bytes[pos] === SPACE && !startsWith(bytes, pos, " # {")) {
      pos = this.scanTimestamp(bytes, pos);
      if (pos < 0) return pos;
    }
    if (startsWith(bytes, pos, " # {")) {
      pos = this.scanExemplar(bytes, pos + 4, end);
      if (pos < 0) return pos;
    }
    if (bytes[pos] !== LINE_FEED) return this.fault("unexpected text after the sample");
    this.samples++;
    return pos + 1;
  }

  /** Scans labels, value and timestamp of an exemplar whose `{` is just before `start`. */
  private scanExemplar(bytes: Buffer, start: number, end: number): number {
    this.exemplarLabels.knownUtf8 = this.utf8;
    let pos = this.exemplarLabels.scan(bytes, start, end);
    if (pos < 0) return this.fault(`exemplar: ${this.exemplarLabels.reason}`);
    if (bytes[pos] === LINE_FEED) return this.fault("exemplar without a value");
    pos = this.scanSampleValue(bytes, pos);
    if (pos >= 0 && bytes[pos] === SPACE) pos = this.scanTimestamp(bytes, pos);
    return pos < 0 ? this.fault(`exemplar: ${this.reason}`) : pos;
  }

  /** Scans a space and a value. */
  private scanSampleValue(bytes: Buffer, start: number): number {
    if (bytes[start] === LINE_FEED) return this.fault("sample without a value");
    if (bytes[start] !== SPACE) return this.fault("no space before the value");
    const pos = scanValue(bytes, start + 1);
    return endsNumber(bytes, pos) ? pos : this.fault("value is not a number");
  }

  /** Scans a space and a timestamp in seconds. */
  private scanTimestamp(bytes: Buffer, start: number): number {
    const pos = scanFloat(bytes, start + 1);
    return endsNumber(bytes, pos) ? pos : this.fault("timestamp is not a number of seconds");
  }

  private scanMetadata(bytes: Buffer, start: number): number {
    const lineEnd = bytes.indexOf(LINE_FEED, start);
    if (startsWith(bytes, start, "# EOF")) {
      if (lineEnd !== start + 5) return this.fault("data after # EOF");
      this.complete = true;
      return lineEnd + 1;
    }
    const isHelp = startsWith(bytes, start, "# HELP ");
    const isType = startsWith(bytes, start, "# TYPE ");
    if (!isHelp && !isType && !startsWith(bytes, start, "# UNIT ")) {
      return this.fault("comment is not HELP, TYPE, UNIT or EOF");
    }
    const nameEnd = scanFamilyName(bytes, start + 7);
    if (nameEnd < 0) return this.fault("metadata without a metric name");
    if (bytes[nameEnd] !== SPACE) return this.fault("no space after the metric name");
    const textStart = nameEnd + 1;
    if (isType) {
      if (!isOneOf(bytes, textStart, lineEnd, metricTypes)) return this.fault("unknown type");
    } else if (isHelp) {
      if (!this.utf8 && !isUtf8(bytes.subarray(textStart, lineEnd)))
        return this.fault("invalid UTF-8 in HELP");
    } else if (!isUnitOf(bytes, start + 7, nameEnd, textStart, lineEnd)) {
      return this.fault("metric name does not end with its unit");
    }
    return lineEnd + 1;
  }
}

/** Whether a number ends at `pos`; -1 means that there is none. */
function endsNumber(bytes: Buffer, pos: number): boolean {
  return pos >= 0 && (bytes[pos] === SPACE || bytes[pos] === LINE_FEED);
}

/** Whether the name ends with `_` and the unit. An empty unit is allowed. */
function isUnitOf(bytes: Buffer, nameStart: number, nameEnd: number, start: number, end: number): boolean {
  if (start === end) return true;
  const bareEnd = bytes[nameStart] === QUOTE ? nameEnd - 1 : nameEnd;
  const unitStart = bareEnd - (end - start);
  return (
    unitStart > nameStart &&
    bytes[unitStart - 1] === UNDERSCORE &&
    bytes.compare(bytes, start, end, unitStart, bareEnd) === 0
  );
}
