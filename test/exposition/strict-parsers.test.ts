import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Federation } from "../../src/exposition/federate.js";
import type { Format } from "../../src/exposition/format.js";
import type { Source } from "../../src/exposition/source.js";
import { validate } from "../../src/exposition/validator.js";
import { atOnce, merge, toText } from "../support/at-once.js";
import { describeUnless } from "../support/describe-unless.js";
import { openMetricsFault } from "../support/openmetrics-check.js";
import { prometheusMissing } from "../support/prometheus.js";
import { promtoolFault } from "../support/promtool.js";
import { pushgatewayMissing, type RunningPushgateway, startPushgateway } from "../support/pushgateway.js";
import { corpus, onlyPrometheus3 } from "./corpus.js";
import { familiesExposition } from "./families-arbitrary.js";

/*
 * Every text that Prometheus takes, made into every kind of answer, and given to parsers that are stricter. Those
 * that are asked here are older than names in quotes.
 */

const good = corpus.filter(({ bytes, format }) => validate(bytes, format).ok);
const latest = onlyPrometheus3;

interface Answer {
  readonly name: string;
  readonly bytes: Buffer;
}

const merged = good.map(
  (file): Answer => ({ name: `merged, ${file.name}`, bytes: merge(twice(file), "text").bytes }),
);
const converted = good
  .filter(({ format }) => format === "openmetrics")
  .map((file): Answer => ({ name: `converted, ${file.name}`, bytes: toText(file.bytes) }));
const federated = good.map(
  (file): Answer => ({ name: `federated, ${file.name}`, bytes: federate(twice(file)) }),
);
const texts = [...merged, ...converted, ...federated];

describe("the answers made of every good text of the corpus", () => {
  it("are valid", () => {
    for (const file of [...good, ...latest]) {
      const { bytes, samples, conflicts } = merge(twice(file), "text");
      expect(validate(bytes, "text"), file.name).toEqual({ ok: true, format: "text", samples });
      if (!/twice|go back/.test(file.name)) {
        const verdict = validate(file.bytes, file.format);
        expect(conflicts, file.name).toEqual([]);
        expect(samples, file.name).toBe(verdict.ok ? 2 * verdict.samples : -1);
      }
    }
    for (const { name, bytes } of texts) expect(validate(bytes, "text").ok, name).toBe(true);
  });

  it("are strict OpenMetrics where all is OpenMetrics", () => {
    for (const file of [...good, ...latest].filter(({ format }) => format === "openmetrics")) {
      const { bytes, samples } = merge(twice(file), "openmetrics");
      expect(validate(bytes, "openmetrics"), file.name).toEqual({ ok: true, format: "openmetrics", samples });
      expect(openMetricsFault(bytes.toString()), file.name).toBeUndefined();
    }
  });
});

describeUnless(prometheusMissing(), "promtool check metrics", () => {
  it("sees faults", async () => {
    expect(await promtoolFault(Buffer.from("# TYPE a gauge\n# TYPE a gauge\na 1\n"))).toContain(
      "second TYPE line",
    );
    expect(await promtoolFault(Buffer.from("a 1\n# TYPE a gauge\n"))).toContain(
      "TYPE reported after samples",
    );
    expect(await promtoolFault(Buffer.from('a{b="\\q"} 1\n'))).toContain("invalid escape sequence");
  });

  it("takes a family whose samples come again, as in a federated answer", async () => {
    expect(await promtoolFault(Buffer.from("# TYPE a gauge\na 1\nb 1\na 2\n"))).toBeUndefined();
  });

  it("takes them all", async () => {
    // Texts without HELP and TYPE can be read in one go: a metric may come again.
    const bare = texts.filter(({ bytes }) => !bytes.includes("#"));
    const queue: Answer[] = [
      { name: "all without HELP and TYPE", bytes: Buffer.concat(bare.map(({ bytes }) => bytes)) },
      ...texts.filter(({ bytes }) => bytes.includes("#")),
    ];
    expect(bare.length).toBeGreaterThan(300);
    const faults: string[] = [];
    const work = async () => {
      for (let answer = queue.pop(); answer !== undefined; answer = queue.pop()) {
        const fault = await promtoolFault(answer.bytes);
        if (fault !== undefined)
          faults.push(`${answer.name}: ${fault}\n${answer.bytes.toString().slice(0, 500)}`);
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

  it("sees faults", async () => {
    expect(await pushgateway.push(Buffer.from("# TYPE a gauge\n# TYPE a gauge\na 1\n"))).toContain(
      "second TYPE line",
    );
    expect(await pushgateway.push(Buffer.from('a{b="c"} 1\na{b="c"} 2\n'))).toContain("collected before");
    expect(await pushgateway.push(Buffer.from("a 1\n"))).toBeUndefined();
  });

  it("takes what is merged and converted", async () => {
    // It takes no timestamps at all, and no label names that are reserved.
    const isForeign = (bytes: Buffer) => /^[^#\n]* \d+ -?\d+$|__a__=/m.test(bytes.toString());
    const faults: string[] = [];
    for (const { name, bytes } of [...merged, ...converted].filter((answer) => !isForeign(answer.bytes))) {
      const fault = await pushgateway.push(bytes);
      if (fault !== undefined) faults.push(`${name}: ${fault}\n${bytes.toString().slice(0, 500)}`);
    }
    expect(faults).toEqual([]);
  }, 120_000);

  it("takes what is merged of any proper families, in any mix of formats", async () => {
    const content = fc.oneof(
      familiesExposition("text").map((text): [string, Format] => [text, "text"]),
      familiesExposition("openmetrics").map((text): [string, Format] => [text, "openmetrics"]),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(content, { minLength: 1, maxLength: 4 }), async (contents) => {
        const { bytes } = merge(
          contents
            // It knows no names in quotes.
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

  it("takes replicas in two formats, with every type that there is", async () => {
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

/** A file twice, as two replicas would show it. */
function twice({ bytes, format }: Pick<Source, "bytes" | "format">): Source[] {
  return ["x.1", "x.2"].map((instance) => ({ bytes, format, labels: [["instance", instance]] }));
}

function federate(sources: readonly Source[]): Buffer {
  const federation = new Federation();
  return Buffer.concat(
    sources.map((source) => atOnce(federation.add({ ...source, timestamp: 1700000000000 }))),
  );
}
