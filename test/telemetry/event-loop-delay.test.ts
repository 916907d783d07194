import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { observeEventLoopDelay } from "../../src/telemetry/event-loop-delay.js";
import { Metrics } from "../../src/telemetry/metrics.js";
import { prometheusMissing } from "../support/prometheus.js";
import { promtoolFault } from "../support/promtool.js";

function setUp() {
  const metrics = new Metrics();
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort());
  observeEventLoopDelay(metrics, stopping.signal);
  const expose = async () => (await metrics.expose()).text;
  const quantile = async (wanted: string) => {
    const prefix = `app_metrics_proxy_event_loop_delay_seconds{quantile="${wanted}"} `;
    const line = (await expose()).split("\n").find((candidate) => candidate.startsWith(prefix));
    return Number(line?.slice(prefix.length));
  };
  return {
    expose,
    maximum: () => quantile("1"),
    median: () => quantile("0.5"),
    stop: () => stopping.abort(),
  };
}

function block(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

it("exposes quantiles as a summary", async () => {
  const { expose } = setUp();
  const text = await expose();
  expect(text).toContain("# TYPE app_metrics_proxy_event_loop_delay_seconds summary\n");
  expect([...text.matchAll(/quantile="(.*?)"/g)].map(([, quantile]) => quantile)).toEqual([
    "0.5",
    "0.9",
    "0.99",
    "1",
  ]);
  if (!prometheusMissing()) expect(await promtoolFault(text)).toBeUndefined();
});

it("reports how long the event loop was blocked, without the interval of the measurement", async () => {
  const { maximum, median } = setUp();
  await sleep(200);
  block(300);
  await sleep(200);
  expect(await maximum()).toBeGreaterThan(0.25);
  expect(await median()).toBeLessThan(0.1);
});

it("reports a delay that starts with a scrape of the metric, and forgets it after two", async () => {
  const { maximum } = setUp();
  await sleep(100);
  for (let round = 0; round < 3; round++) {
    await maximum();
    block(300);
    await sleep(100);
    expect(await maximum()).toBeGreaterThan(0.25);
    await sleep(100);
  }
  await maximum();
  await sleep(100);
  expect(await maximum()).toBeLessThan(0.25);
});

it("ends the measurement", async () => {
  const { maximum, stop } = setUp();
  await sleep(100);
  stop();
  block(300);
  await sleep(100);
  expect(await maximum()).toBeLessThan(0.25);
});
