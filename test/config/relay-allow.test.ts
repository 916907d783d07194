import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config/config.js";
import { ConfigError } from "../../src/errors.js";

const read = (text: string) => readConfig({ RELAY_ALLOW: text }).relayAllow;

function problemOf(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "";
}

describe("RELAY_ALLOW", () => {
  it("is off by default", () => {
    expect(readConfig({}).relayAllow).toBeUndefined();
    expect(read(" ")).toBeUndefined();
  });

  it("accepts targets, alone or with other entries", () => {
    expect(read("targets")).toMatchObject({ targets: true, entries: [] });
    expect(read("targets, 10.0.0.0/8:9100")).toMatchObject({ targets: true, entries: [{ kind: "range" }] });
    expect(read("10.0.0.0/8:9100")).toMatchObject({ targets: false });
  });

  it("accepts networks, addresses and names with ports, separated by spaces or commas", () => {
    const { entries } = read(
      "10.0.0.0/8:9100,[fd00::/8]:*  Node1:80-90, *.Example.internal:9100 10.1.2.3:1 a_b:1",
    )!;
    expect(
      entries.map(({ ports, ...entry }) => [
        entry.kind === "range" ? `${entry.range.network}/${entry.range.prefix}` : [entry.name, entry.below],
        ports.first,
        ports.last,
      ]),
    ).toEqual([
      ["10.0.0.0/8", 9100, 9100],
      ["fd00::/8", 1, 65535],
      [["node1", false], 80, 90],
      [["example.internal", true], 9100, 9100],
      ["10.1.2.3/32", 1, 1],
      [["a_b", false], 1, 1],
    ]);
  });

  it("keeps its text for the description of the configuration", () => {
    expect(readConfig({ RELAY_ALLOW: "targets node1:*" }).variables["RELAY_ALLOW"]).toBe("targets node1:*");
  });

  it.each([
    ["10.0.0.0/8", "has no port: write 10.0.0.0/8:9100, "],
    ["node1", "has no port"],
    ["fd00::/8:9100", "put an IPv6 address in brackets"],
    ["[fd00::/8]", "has no port"],
    ["[10.0.0.0/8]:9100", "brackets without an IPv6 address"],
    ["10.0.0.1/8:9100", "write 10.0.0.0/8"],
    ["10.0.0.0/33:9100", "prefix from 0 to 32"],
    ["010.0.0.0/8:9100", "not a network"],
    ["0x7f.1:9100", "ends like an IP address"],
    ["0x7f:9100", "ends like an IP address"],
    ["2130706433:9100", "not a network"],
    ["node1:0", "port from 1 to 65535"],
    ["node1:65536", "port from 1 to 65535"],
    ["node1:90-80", "port from 1 to 65535"],
    ["node1:", "port from 1 to 65535"],
    ["node1:http", "port from 1 to 65535"],
    [":9100", "no valid host name"],
    ["*:9100", "no valid host name"],
    ["node*:9100", "no valid host name"],
    ["*.*.internal:9100", "no valid host name"],
    ["http://node1:9100/metrics", "is no valid entry"],
    ["-node:9100", "no valid host name"],
    ["169.254.169.254:80", "link-local, which is never relayed"],
    ["169.254.0.0/17:*", "link-local, which is never relayed"],
    ["[fe80::/10]:9100", "link-local, which is never relayed"],
    ["[64:ff9b::/96]:9100", "NAT64, which is never relayed"],
    ["[::ffff:10.0.0.0/104]:9100", "write 10.0.0.0"],
    ["0.0.0.0:80", "unspecified, which is never relayed"],
    ["node1:2375", "Docker engine's port"],
    ["10.0.0.0/8:2376", "Docker engine's port"],
  ])("rejects %s: %s", (entry, fault) => {
    const problem = problemOf(`targets ${entry} 10.0.0.0/8:9100`);
    expect(problem).toMatch(/^RELAY_ALLOW="targets .*" is invalid: must be [^\n]*$/);
    expect(problem).toContain(`"${entry}" `);
    expect(problem).toContain(fault);
  });

  it("reports every invalid entry", () => {
    expect(problemOf("node1 node2:0")).toMatch(/"node1" has no port.*; "node2:0" needs a port/);
    expect(problemOf(",")).toContain("is invalid");
  });

  it("returns a list or a problem in one line, for any text", () => {
    const piece = fc.constantFrom(
      ..."0123456789abcdefx.:/[]*-_ ,%@",
      "targets",
      "::ffff:",
      "10.0.0.0/8",
      ":9100",
    );
    fc.assert(
      fc.property(fc.string({ unit: piece, maxLength: 24 }), (text) => {
        const problem = problemOf(text);
        expect(problem).not.toContain("\n");
        if (problem === "" && text.trim() !== "") expect(read(text)).toHaveProperty("entries");
      }),
      { numRuns: 2000 },
    );
  });
});
