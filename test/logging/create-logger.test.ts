import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { createLogger } from "../../src/logging/create-logger.js";
import type { LogFormat } from "../../src/logging.js";

async function logged(
  format: LogFormat,
  secrets: string[],
  write: (log: ReturnType<typeof createLogger>) => void,
) {
  const stream = new PassThrough();
  write(createLogger({ level: "info", format, secrets, stream }));
  await new Promise((resolve) => setImmediate(resolve));
  return String(stream.read() ?? "");
}

describe("the log", () => {
  it("is one JSON object per line", async () => {
    const line = await logged("json", [], (log) => log.info("metrics found", { target: "web", samples: 3 }));
    expect(JSON.parse(line)).toMatchObject({
      level: "info",
      message: "metrics found",
      target: "web",
      samples: 3,
    });
    expect(line.trimEnd()).not.toContain("\n");
  });

  it("begins each JSON object with timestamp, level and message, then the fields in their order", async () => {
    const line = await logged("json", ["s3cret-long-word"], (log) =>
      log.info("target found", { url: "http://a", job: "web", attempts: { z: 1, a: 2 } }),
    );
    const { timestamp, ...rest } = JSON.parse(line);
    expect(new Date(timestamp).toISOString()).toBe(timestamp);
    expect(line).toBe(`${JSON.stringify({ timestamp, ...rest })}\n`);
    expect(Object.keys(JSON.parse(line))).toEqual([
      ...["timestamp", "level", "message"],
      ...["url", "job", "attempts"],
    ]);
    expect(Object.keys(rest.attempts)).toEqual(["z", "a"]);
  });

  it("survives fields that JSON cannot hold", async () => {
    const circular: Record<string, unknown> = { size: 1n };
    circular["self"] = circular;
    const line = await logged("json", [], (log) => log.info("odd", { circular }));
    expect(JSON.parse(line)).toMatchObject({ message: "odd" });
  });

  it("is a readable line on a terminal", async () => {
    const line = await logged("pretty", [], (log) =>
      log.warn("a scrape failed", { target: "web", failures: 2 }),
    );
    expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{3} .*warn.* a scrape failed target=web failures=2\n$/);
  });

  it("omits entries below its level", async () => {
    expect(await logged("json", [], (log) => log.debug("no metrics"))).toBe("");
  });

  it.each(["json", "pretty"] as const)("hides secrets in messages and fields (%s)", async (format) => {
    const line = await logged(format, ["s3cret-long-word"], (log) =>
      log.error("wrong: s3cret-long-word", {
        a: { deep: ["x s3cret-long-word y"] },
        error: "s3cret-long-word",
      }),
    );
    expect(line).toContain("[hidden]");
    expect(line).not.toContain("s3cret-long-word");
  });

  it("does not reveal a short secret by hiding the same word in a message", async () => {
    const warn = (log: ReturnType<typeof createLogger>) =>
      log.warn("SSHPASS is shorter than 12 characters", { value: "short" });
    const { message, value } = JSON.parse(await logged("json", ["short"], warn));
    expect({ message, value }).toEqual({
      message: "SSHPASS is shorter than 12 characters",
      value: "[hidden]",
    });
  });

  const hostile = "\x1b]0;owned\x07\x9b31m\u202egpj.exe\u2028\nnext";
  const escaped = "\\u001b]0;owned\\u0007\\u009b31m\\u202egpj.exe\\u2028\\u000anext";

  it("escapes what a terminal would act on, in messages, fields and nested fields (pretty)", async () => {
    const line = await logged("pretty", [], (log) =>
      log.warn(hostile, { error: hostile, nested: { [hostile]: hostile } }),
    );
    // The colour of the level is the only escape sequence.
    const plain = line.replaceAll(/\x1b\[\d+m/g, "");
    expect(plain).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*\n$/u);
    expect(plain).toContain(` ${escaped} error=${escaped} nested={"`);
  });

  it("escapes what a terminal would act on, with the same values (JSON)", async () => {
    const fields = { error: hostile, nested: { [hostile]: [hostile] } };
    const line = await logged("json", ["s3cret-long-word"], (log) => log.warn("odd", fields));
    expect(line).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*\n$/u);
    expect(JSON.parse(line)).toMatchObject(fields);
  });

  it.each(["json", "pretty"] as const)(
    "shortens long texts, after hiding secrets in them (%s)",
    async (format) => {
      const text = `${"x".repeat(1990)}s3cret-long-word${"x".repeat(1e6)}`;
      const line = await logged(format, ["s3cret-long-word"], (log) => log.warn("odd", { text, in: [text] }));
      expect(line.length).toBeLessThan(5000);
      expect(line).toContain("xx[hidden]");
      expect(line).not.toContain("s3cret");
    },
  );
});
