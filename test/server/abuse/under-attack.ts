import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { expect, onTestFinished } from "vitest";
import { type BuiltProxy, startBuiltProxy } from "../../support/built-proxy.js";
import { startTarget, textType } from "../../support/target-server.js";
import { tempFolder } from "../../support/temp-folder.js";

const sources = 20;
const series = 1000;

/** A proxy to attack. */
export interface Victim extends BuiltProxy {
  /** What its targets serve. */
  readonly texts: readonly string[];
  /** The credentials of the healthy client. */
  readonly authorization?: string;
}

/**
 * The built proxy with 20 targets of 90 kB: ten replicas of `web`, and `s10` to `s19`.
 *
 * @param lock settings that require authentication, and the credentials. None by default.
 */
export async function startVictim(lock?: {
  readonly settings: Readonly<Record<string, string>>;
  readonly authorization: string;
}): Promise<Victim> {
  const texts = Array.from({ length: sources }, sourceText);
  const target = await startTarget(({ url = "" }, response) => {
    response.setHeader("content-type", textType);
    response.end(texts[Number(url.slice(1))]);
  });
  const groups = texts.map((_, index) => ({
    targets: [`127.0.0.1:${target.port}`],
    labels: {
      job: index < 10 ? "web" : `s${index}`,
      instance: `r${index}`,
      __metrics_path__: `/${index}`,
    },
  }));
  const file = join(tempFolder(), "targets.json");
  writeFileSync(file, JSON.stringify(groups));
  const settings = { TARGETS_FILE: file, SCRAPE_INTERVAL: "60", STALE_AFTER: "600", ...lock?.settings };
  const proxy = await startBuiltProxy(settings);
  return { ...proxy, texts, ...(lock && { authorization: lock.authorization }) };
}

function sourceText(): string {
  const lines = Array.from(
    { length: series },
    (_, index) => `lab_metric{series="${index}",hash="${randomBytes(20).toString("hex")}"} ${index}\n`,
  );
  return `# TYPE lab_metric gauge\n${lines.join("")}`;
}

/** In bytes: far below what each attack takes without a limit. */
export const memoryLimit = 128 * 1024 * 1024;

/** Resources that the process used. */
export interface Observed {
  /** Bytes of memory above the level before the attack. */
  readonly grownBy: number;
}

/** Minimum duration of an attack in milliseconds, and number of scrapes during it. */
const attackMs = 800;
const scrapesMeanwhile = 3;

/**
 * Runs an attack while a healthy client scrapes one target and a merge in a loop. Checks that its responses are
 * complete and correct, and measures the memory of the process.
 *
 * @param attack receives a function that waits for a few scrapes during the attack.
 */
export async function underAttack(
  victim: Victim,
  attack: (meanwhile: () => Promise<void>) => Promise<void>,
): Promise<Observed> {
  const agent = new Agent({ connections: 1 });
  onTestFinished(() => agent.close());
  const { authorization } = victim;
  const get = async (path: string) => {
    const { statusCode, body } = await request(`http://127.0.0.1:${victim.port}${path}`, {
      dispatcher: agent,
      headers: authorization === undefined ? {} : { authorization },
    });
    return { status: statusCode, text: await body.text() };
  };
  const merged = await get("/web/metrics");
  expect(merged.text.split("\n").length).toBe(10 * series + 2);
  const idle = victim.memory();
  let over = false;
  let scrapes = 0;
  let peak = idle;
  const scrape = async () => {
    // At least one after the attack.
    for (let last = false; !last; ) {
      last = over;
      expect(await get("/s15/metrics")).toEqual({ status: 200, text: victim.texts[15] });
      expect(await get("/web/metrics")).toEqual(merged);
      scrapes++;
      await sleep(20);
    }
  };
  const watch = async () => {
    while (!over) {
      peak = Math.max(peak, victim.memory());
      await sleep(20);
    }
  };
  const meanwhile = async () => {
    const before = scrapes;
    await sleep(attackMs);
    while (scrapes < before + scrapesMeanwhile) await sleep(20);
  };
  await Promise.all([scrape(), watch(), attack(meanwhile).finally(() => (over = true))]);
  expect(victim.child.exitCode).toBeNull();
  return { grownBy: peak - idle };
}
