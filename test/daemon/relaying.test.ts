import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config/config.js";
import { createRelay } from "../../src/daemon/relaying.js";

const relayFor = (settings: Record<string, string>) =>
  createRelay(readConfig(settings), "app-metrics-proxy/1.2.3", () => []);

describe("the relay of a configuration", () => {
  it("is there where RELAY_ALLOW is set", () => {
    expect(relayFor({})).toBeUndefined();
    expect(relayFor({ RELAY_ALLOW: "targets" })).toBeDefined();
  });

  it.each([
    ["tcp://10.0.0.9:1234", "http://10.0.0.9:1234/"],
    ["tcp://[fd00::9]:1234", "http://[fd00:0::9]:1234/"],
    ["http://10.0.0.9:80", "http://10.0.0.9/"],
    ["https://10.0.0.9:443", "https://10.0.0.9/"],
  ])("never asks the engine at DOCKER_HOST=%s", async (host, target) => {
    const relay = relayFor({ RELAY_ALLOW: "0.0.0.0/0:* [::/0]:*", DOCKER_HOST: host });
    const asked = relay!.acquire().fetch({
      targets: [target],
      accept: undefined,
      timeout: undefined,
      userAgent: undefined,
      signal: new AbortController().signal,
    });
    await expect(asked).rejects.toMatchObject({
      status: 403,
      message: expect.stringMatching(/Docker engine: never relayed$/),
    });
  });
});
