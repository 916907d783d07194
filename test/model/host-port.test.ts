import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatHostPort,
  type HostPortOptions,
  isHostName,
  parseHostPort,
} from "../../src/model/host-port.js";

describe("parseHostPort", () => {
  it.each([
    ["node1:2137", "node1", 2137],
    ["node1.example.org:1", "node1.example.org", 1],
    ["192.0.2.1:65535", "192.0.2.1", 65535],
    ["[::1]:22", "::1", 22],
    ["[fd00::A:1]:22", "fd00::A:1", 22],
    ["[::ffff:192.0.2.1]:22", "::ffff:192.0.2.1", 22],
    ["my_host:80", "my_host", 80],
    ["münchen:80", "münchen", 80],
  ])("parses %s", (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port });
  });

  it.each(["node1", "[fd00::1]"])("uses the default port for %s", (text) => {
    expect(parseHostPort(text)).toBeUndefined();
    expect(parseHostPort(text, { defaultPort: 22 })).toMatchObject({ port: 22 });
    expect(parseHostPort(`${text}:23`, { defaultPort: 22 })).toMatchObject({ port: 23 });
  });

  it("accepts an empty host and port 0 only for listening", () => {
    expect(parseHostPort(":2137", { listening: true })).toEqual({ host: "", port: 2137 });
    expect(parseHostPort("[::]:0", { listening: true })).toEqual({ host: "::", port: 0 });
    expect(parseHostPort(":2137")).toBeUndefined();
    expect(parseHostPort("node1:0")).toBeUndefined();
  });

  it.each([
    "",
    ":",
    ":65536",
    "node1:",
    "node1:99999",
    "node1:65536",
    "node1:-1",
    "node1:1.5",
    "node1:0x16",
    "node1:000022",
    "node1: 22",
    "node 1:22",
    "node1:22:23",
    "::1",
    "::1:22",
    "[::1]22",
    "[]:22",
    "[node1]:22",
    "[192.0.2.1]:22",
    "[:::]:22",
    "[fe80::1%eth0]:22",
    "[::1:22",
    "a/b:22",
    "user@node1:22",
    "a,b:22",
    "'a':22",
    '"a":22',
    "a\nb:22",
    "node1:22\n",
  ])("rejects %j", (text) => {
    for (const options of [{ defaultPort: 22 }, { listening: true }] as HostPortOptions[]) {
      expect(parseHostPort(text, options)).toBeUndefined();
    }
  });

  it("parses what formatHostPort writes", () => {
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65535 }), (name, port) => {
        expect(parseHostPort(formatHostPort({ host: name, port }))).toEqual({ host: name, port });
      }),
    );
  });
});

describe("formatHostPort", () => {
  it.each([
    [{ host: "node1", port: 1 }, "node1:1"],
    [{ host: "::1", port: 22 }, "[::1]:22"],
    [{ port: 2137 }, ":2137"],
  ])("writes %j as %s", (address, text) => {
    expect(formatHostPort(address)).toBe(text);
  });
});

describe("isHostName", () => {
  it.each(["", " ", "a b", "a:b", "a/b", "a,b", "[::1]", 'a"b', "a\u0000"])("rejects %j", (text) => {
    expect(isHostName(text)).toBe(false);
  });
});
