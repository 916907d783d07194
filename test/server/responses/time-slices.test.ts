import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Federation } from "../../../src/exposition/federate.js";
import { merge, toText } from "../../../src/exposition/merge.js";
import { runInSlices } from "../../../src/server/responses/time-slices.js";
import { setUpServer } from "../../support/http-server.js";

/** All lines differ, so that no memoised line helps with another. */
const hostile = Array.from({ length: 60_000 }, (_, index) => `a{l${index}="v"} 1\n`).join("");
const source = { bytes: Buffer.from(hostile), format: "text", labels: [["instance", "x"]] } as const;

describe("while a hostile exposition", () => {
  it.each([
    ["is merged", () => merge([source], "text")],
    ["is federated", () => new Federation().add(source)],
    ["is converted", () => toText(Buffer.from(`${hostile}# EOF\n`))],
  ])("%s, other work runs", async (_, work) => {
    let done = false;
    const made = runInSlices<unknown>(work()).finally(() => {
      done = true;
    });
    let turns = 0;
    for (; !done; turns++) await turn();
    await made;
    expect(turns).toBeGreaterThan(20);
  });

  it("is prepared, the server responds to other requests", async () => {
    const { get, put } = await setUpServer();
    for (const replica of ["1", "2"]) put({ id: `docker:${replica}`, replica, text: hostile });
    let done = false;
    const answer = get("/web/metrics").finally(() => {
      done = true;
    });
    let answered = 0;
    for (; !done; answered++) await get("/-/healthy");
    expect((await answer).status).toBe(200);
    expect(answered).toBeGreaterThan(20);
  });
});

it("an error in a step rejects the whole work", async () => {
  const mixed = merge([source, { ...source, format: "openmetrics" }], "openmetrics");
  await expect(runInSlices(mixed)).rejects.toThrow(RangeError);
});
