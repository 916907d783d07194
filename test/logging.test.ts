import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { createLogger } from "../src/logging/create-logger.js";
import type { LogFormat } from "../src/logging.js";

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
  it("is one JSON object a line", async () => {
    const line = await logged("json", [], (log) => log.info("metrics found", { target: "web", samples: 3 }));
    expect(JSON.parse(line)).toMatchObject({
      level: "info",
      message: "metrics found",
      target: "web",
      samples: 3,
    });
    expect(line.trimEnd()).not.toContain("\n");
  });

  it("is a readable line on a terminal", async () => {
    const line = await logged("pretty", [], (log) =>
      log.warn("a scrape failed", { target: "web", failures: 2 }),
    );
    expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{3} .*warn.* a scrape failed target=web failures=2\n$/);
  });

  it("leaves out what is below its level", async () => {
    expect(await logged("json", [], (log) => log.debug("no metrics"))).toBe("");
  });

  it.each(["json", "pretty"] as const)("never shows a secret, wherever it stands (%s)", async (format) => {
    const line = await logged(format, ["s3cret-long-word"], (log) =>
      log.error("wrong: s3cret-long-word", {
        a: { deep: ["x s3cret-long-word y"] },
        error: "s3cret-long-word",
      }),
    );
    expect(line).toContain("[hidden]");
    expect(line).not.toContain("s3cret-long-word");
  });

  it("does not give a short secret away by hiding a word of its own that is the same", async () => {
    const warn = (log: ReturnType<typeof createLogger>) =>
      log.warn("SSHPASS is shorter than 12 characters", { value: "short" });
    const { message, value } = JSON.parse(await logged("json", ["short"], warn));
    expect({ message, value }).toEqual({
      message: "SSHPASS is shorter than 12 characters",
      value: "[hidden]",
    });
  });
});
