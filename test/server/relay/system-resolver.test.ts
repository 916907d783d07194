import { describe, expect, it } from "vitest";
import { createSystemResolver } from "../../../src/server/relay/system-resolver.js";

describe("resolving names", () => {
  it("has a limited queue, which includes lookups of disconnected clients", async () => {
    const requested: string[] = [];
    const resolve = createSystemResolver((host) => {
      requested.push(host);
      return new Promise(() => undefined);
    });
    const gone = AbortSignal.abort();
    const refusals = new Set<string>();
    for (let index = 0; index < 500; index++) {
      resolve(`slow${index}.test`, index < 2 ? new AbortController().signal : gone).catch((error) =>
        refusals.add(`${error.status} ${error.message}`),
      );
    }
    await expect.poll(() => [...refusals]).toEqual(["503 too many host names are being resolved; try again"]);
    expect(requested).toEqual(["slow0.test", "slow1.test"]);
  });

  it("continues with the queue when a lookup has finished", async () => {
    const resolve = createSystemResolver(async () => [{ address: "10.0.0.1", family: 4 }]);
    const { signal } = new AbortController();
    const hosts = Array.from({ length: 60 }, (_, index) => `${index}.test`);
    expect(await Promise.all(hosts.map((host) => resolve(host, signal)))).toEqual(
      hosts.map(() => ["10.0.0.1"]),
    );
  });
});
