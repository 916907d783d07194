import { expect, it } from "vitest";
import { limitLines } from "../../src/logging/limit-lines.js";
import { recordingLogger } from "../support/daemon.js";

it("logs 20 lines of a message per minute, then the number of omitted ones", () => {
  const { logger, lines } = recordingLogger();
  let now = 0;
  const limited = limitLines(logger, () => now);
  for (let index = 0; index < 2000; index++) limited.warn("item skipped", { index });
  limited.error("list failed");
  expect(lines).toHaveLength(21);
  expect(lines[19]).toMatchObject({ level: "warn", message: "item skipped", fields: { index: 19 } });
  now = 60_000;
  limited.warn("item skipped", { index: 2000 });
  limited.warn("item skipped", { index: 2001 });
  expect(lines.slice(21).map(({ fields }) => fields)).toEqual([
    { index: 2000, omitted: 1980 },
    { index: 2001 },
  ]);
});
