import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Federation } from "../../src/exposition/federate.js";
import type { Format } from "../../src/exposition/format.js";
import type { Source } from "../../src/exposition/source.js";
import { atOnce, merge, toText } from "../support/at-once.js";
import { describeUnless } from "../support/describe-unless.js";
import { openMetricsFault } from "../support/openmetrics-check.js";
import { prometheusMissing } from "../support/prometheus.js";
import { promtoolFault } from "../support/promtool.js";
import { pushgatewayMissing, type RunningPushgateway, startPushgateway } from "../support/pushgateway.js";
import { validate } from "../support/validate.js";
import { corpus, onlyPrometheus3 } from "./corpus.js";
import { familiesExposition } from "./families-arbitrary.js";

/*
 * Merges, converts and federates every text that Prometheus accepts, and parses the result with stricter parsers. These
 * parsers predate quoted names.
 */

const valid = corpus.filter(({ bytes, format }) => validate(bytes, format).ok);
const latest = onlyPrometheus3;

interface Output {
  readonly name: string;
  readonly bytes: Buffer;
}

const merged = valid.map(
  (file): Output => ({ name: `merged, ${file.name}`, bytes: merge(twice(file), "text").bytes }),
);
const converted = valid
  .filter(({ format }) => format === "openmetrics")
  .map((file): Output => ({ name: `converted, ${file.name}`, bytes: toText(file.bytes) }));
const federated = valid.map(
  (file): Output => ({ name: `federated, ${file.name}`, bytes: federate(twice(file)) }),
);
const texts = [...merged, ...converted, ...federated];

describe("output for every valid text of the corpus", () => {
  it("is valid", () => {
    for (const file of [...valid, ...latest]) {
      const { bytes, samples, conflicts } = merge(twice(file), "text");
      expect(validate(bytes, "text"), file.name).toEqual({ ok: true, format: "text", samples });
      if (!/duplicate series|decreasing timestamps/.test(file.name)) {
        const verdict = validate(file.bytes, file.format);
        expect(conflicts, file.name).toEqual([]);
        expect(samples, file.name).toBe(verdict.ok ? 2 * verdict.samples : -1);
      }
    }
    for (const { name, bytes } of texts) expect(validate(bytes, "text").ok, name).toBe(true);
  });

  it("is strict OpenMetrics if all sources are OpenMetrics", () => {
    for (const file of [...valid, ...latest].filter(({ format }) => format === "openmetrics")) {
      const { bytes, samples } = merge(twice(file), "openmetrics");
      expect(validate(bytes, "openmetrics"), file.name).toEqual({ ok: true, format: "openmetrics", samples });
      expect(openMetricsFault(bytes.toString()), file.name).toBeUndefined();
    }
  });
});

describeUnless(prometheusMissing(), "promtool check metrics", () => {
  it("detects errors", async () => {
    expect(await promtoolFault(Buffer.from("# TYPE a gauge\n# TYPE a gauge\na 1\n"))).toContain(
      "second TYPE line",
    );
    expect(await promtoolFault(Buffer.from("a 1\n# TYPE a gauge\n"))).toContain(
      "TYPE reported after samples",
    );
    expect(await promtoolFault(Buffer.from('a{b="\\q"} 1\n'))).toContain("invalid escape sequence");
  });

  it("accepts a family whose samples are not contiguous, as in federated output", async () => {
    expect(await promtoolFault(Buffer.from("# TYPE a gauge\na 1\nb 1\na 2\n"))).toBeUndefined();
  });

  it("accepts all output", async () => {
    // Texts without HELP and TYPE can be checked together, because metrics may repeat.
    const bare = texts.filter(({ bytes }) => !bytes.includes("#"));
    const queue: Output[] = [
      { name: "all texts without HELP and TYPE", bytes: Buffer.concat(bare.map(({ bytes }) => bytes)) },
      ...texts.filter(({ bytes }) => bytes.includes("#")),
    ];
    expect(bare.length).toBeGreaterThan(300);
    const faults: string[] = [];
    const work = async () => {
      for (let output = queue.pop(); output !== undefined; output = queue.pop()) {
        const fault = await promtoolFault(output.bytes);
        if (fault !== undefined)
          faults.push(`${output.name}: ${fault}\n${output.bytes.toString().slice(0, 500)}`);
      }
    };
    await Promise.all([work(), work(), work()]);
    expect(faults).toEqual([]);
  }, 120_000);
});

describeUnless(pushgatewayMissing(), "Pushgateway", () => {
  let pushgateway: RunningPushgateway;

  beforeAll(async () => {
    pushgateway = await startPushgateway();
  }, 30_000);

  afterAll(async () => {
    await pushgateway?.stop();
  });

  it("detects errors", async () => {
    expect(await pushgateway.push(Buffer.from("# TYPE a gauge\n# TYPE a gauge\na 1\n"))).toContain(
      "second TYPE line",
    );
    expect(await pushgateway.push(Buffer.from('a{b="c"} 1\na{b="c"} 2\n'))).toContain("collected before");
    expect(await pushgateway.push(Buffer.from("a 1\n"))).toBeUndefined();
  });

  it("accepts merged and converted output", async () => {
    // Pushgateway accepts neither timestamps nor reserved label names.
    const isUnsupported = (bytes: Buffer) => /^[^#\n]* \d+ -?\d+$|__a__=/m.test(bytes.toString());
    const faults: string[] = [];
    for (const { name, bytes } of [...merged, ...converted].filter(
      (output) => !isUnsupported(output.bytes),
    )) {
      const fault = await pushgateway.push(bytes);
      if (fault !== undefined) faults.push(`${name}: ${fault}\n${bytes.toString().slice(0, 500)}`);
    }
    expect(faults).toEqual([]);
  }, 120_000);

  it("accepts merged well-formed families in any mix of formats", async () => {
    const content = fc.oneof(
      familiesExposition("text").map((text): [string, Format] => [text, "text"]),
      familiesExposition("openmetrics").map((text): [string, Format] => [text, "openmetrics"]),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(content, { minLength: 1, maxLength: 4 }), async (contents) => {
        const { bytes } = merge(
          contents
            // Pushgateway does not support quoted names.
            .map(([text, format]): [string, Format] => [text.replaceAll('"x.y"', "x_y"), format])
            .map(([text, format], index) => ({
              bytes: Buffer.from(text),
              format,
              labels: [["put", `x.${index}`]],
            })),
          "text",
        );
        expect(await pushgateway.push(bytes), bytes.toString()).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  }, 60_000);

  it("accepts replicas in two formats with all types", async () => {
    const text = `# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{code="200"} 5
# TYPE request_seconds histogram
request_seconds_bucket{le="1"} 1
request_seconds_bucket{le="+Inf"} 2
request_seconds_sum 3
request_seconds_count 2
# TYPE wait_seconds summary
wait_seconds{quantile="0.5"} 1
wait_seconds_sum 1
wait_seconds_count 1
`;
    const openmetrics = `# TYPE requests counter
# HELP requests Requests.
requests_total{code="200"} 5 # {id="x"} 1
requests_created{code="200"} 1
# TYPE request_seconds histogram
# UNIT request_seconds seconds
request_seconds_bucket{le="1.0"} 1
request_seconds_bucket{le="+Inf"} 2 # {id="x"} 1
request_seconds_sum 3
request_seconds_count 2
request_seconds_created 1
# TYPE build info
build_info{version="1"} 1
# TYPE state stateset
state{state="on"} 1
# TYPE queue gaugehistogram
queue_bucket{le="+Inf"} 1
queue_gcount 1
queue_gsum 1
# EOF
`;
    const { bytes, conflicts, samples } = merge(
      [
        { bytes: Buffer.from(text), format: "text", labels: [["instance", "shop_web.1"]] },
        { bytes: Buffer.from(openmetrics), format: "openmetrics", labels: [["instance", "shop_web.2"]] },
      ],
      "text",
    );
    expect({ conflicts, samples }).toEqual({ conflicts: [], samples: 8 + 12 });
    expect(await pushgateway.push(bytes)).toBeUndefined();
    const page = await (await fetch(`${pushgateway.url}/metrics`)).text();
    expect(page).toContain('request_seconds_count{instance="shop_web.2",job="test"} 2');
    expect(page).toContain('build_info{instance="shop_web.2",job="test",version="1"} 1');
  });
});

/** The same file from two replicas. */
function twice({ bytes, format }: Pick<Source, "bytes" | "format">): Source[] {
  return ["x.1", "x.2"].map((instance) => ({ bytes, format, labels: [["instance", instance]] }));
}

function federate(sources: readonly Source[]): Buffer {
  const federation = new Federation("text");
  return Buffer.concat(
    sources.map((source) => atOnce(federation.add({ ...source, timestamp: 1700000000000 }))),
  );
}
