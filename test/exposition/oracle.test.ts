import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { contentTypes } from "../../src/exposition/format.js";
import type { Verdict } from "../../src/exposition/validator.js";
import { describeUnless } from "../support/describe-unless.js";
import {
  type PrometheusTarget,
  prometheusMissing,
  prometheusQuery,
  prometheusTargets,
  type RunningPrometheus,
  startPrometheus,
} from "../support/prometheus.js";
import { validate } from "../support/validate.js";
import { type CorpusFile, corpus, onlyPrometheus3 } from "./corpus.js";

const files = [...corpus, ...onlyPrometheus3];

describeUnless(prometheusMissing(), "validation compared with a real Prometheus", () => {
  let exporter: Server;
  let prometheus: RunningPrometheus;
  let targets: Map<number, PrometheusTarget>;
  let samples: Map<number, number>;

  beforeAll(async () => {
    exporter = await serve(files);
    prometheus = await startPrometheus({
      config: scrapeEach(files, (exporter.address() as AddressInfo).port),
    });
    targets = await untilAllAreScraped(prometheus);
    samples = new Map(
      (await prometheusQuery(prometheus, "scrape_samples_scraped")).map(({ metric, value }) => [
        Number(metric["job"]),
        value,
      ]),
    );
  }, 60_000);

  afterAll(async () => {
    await prometheus?.stop();
    exporter?.closeAllConnections();
    await new Promise((resolve) => exporter?.close(resolve));
  });

  it("covers at least 50 valid and 50 invalid files per format", () => {
    for (const format of ["text", "openmetrics"] as const) {
      for (const ok of [true, false]) {
        const count = corpus.filter((file) => file.format === format && verdictOf(file).ok === ok).length;
        expect(count, `${format}, ${ok ? "valid" : "invalid"}`).toBeGreaterThan(50);
      }
    }
    expect(new Set(files.map((file) => file.name)).size).toBe(files.length);
  });

  it.each(corpus.map((file, index) => [file.name, file, index] as const))(
    "agrees on %s",
    (_, file, index) => {
      const target = targets.get(index);
      const verdict = verdictOf(file);
      const seen = `Prometheus: ${target?.health} ${target?.lastError}; here: ${JSON.stringify(verdict)}`;
      expect(verdict.ok ? "up" : "down", seen).toBe(target?.health);
      if (verdict.ok) expect(verdict.samples, seen).toBe(samples.get(index));
    },
  );

  it.each(onlyPrometheus3.map((file, index) => [file.name, file, corpus.length + index] as const))(
    "accepts what only Prometheus 3 accepts: %s",
    (_, file, index) => {
      const version = /version=(\d+)\./.exec(prometheus.log())?.[1];
      expect(verdictOf(file)).toEqual({ ok: true, format: file.format, samples: 1 });
      expect(targets.get(index)?.health).toBe(Number(version) >= 3 ? "up" : "down");
    },
  );
});

function verdictOf(file: CorpusFile): Verdict {
  return validate(file.bytes, file.format);
}

/** Serves each file at the path of its number. */
async function serve(served: readonly CorpusFile[]): Promise<Server> {
  const server = createServer((request, response) => {
    const file = served[Number(request.url?.slice(1))];
    if (file === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": contentTypes[file.format] }).end(file.bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** A configuration with one job per file, named by its number. */
function scrapeEach(scraped: readonly CorpusFile[], port: number): object {
  return {
    global: { scrape_interval: "1s", scrape_timeout: "1s" },
    scrape_configs: scraped.map((_, index) => ({
      job_name: String(index),
      metrics_path: `/${index}`,
      static_configs: [{ targets: [`127.0.0.1:${port}`] }],
    })),
  };
}

async function untilAllAreScraped(prometheus: RunningPrometheus): Promise<Map<number, PrometheusTarget>> {
  const deadline = Date.now() + 40_000;
  for (;;) {
    const targets = await prometheusTargets(prometheus);
    const waiting = targets.filter((target) => target.health === "unknown" || isTimeout(target));
    if (targets.length > 0 && waiting.length === 0) {
      return new Map(targets.map((target) => [Number(target.scrapePool), target]));
    }
    if (Date.now() > deadline) throw new Error(`${waiting.length} targets were not scraped`);
    await sleep(250);
  }
}

/** On a busy machine, a scrape may take longer than a second. That does not mean that the text is invalid. */
function isTimeout(target: PrometheusTarget): boolean {
  return (
    /deadline exceeded|connection refused|EOF$/.test(target.lastError) && !/# EOF/.test(target.lastError)
  );
}
