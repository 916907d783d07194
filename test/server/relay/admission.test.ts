import { networkInterfaces } from "node:os";
import { describe, expect, it, vi } from "vitest";
import { Admission, type AdmissionOptions } from "../../../src/server/relay/admission.js";
import { readRelayTarget } from "../../../src/server/relay/relay-target.js";
import { allowed, namesIn } from "../../support/relay.js";
import { targetAt } from "../../support/target-server.js";

vi.mock("node:os", async (original) => ({ ...(await original<object>()), networkInterfaces: vi.fn() }));
vi.mocked(networkInterfaces).mockReturnValue({
  eth0: [{ address: "10.0.0.20" }, { address: "fd12:0::20" }],
  eth1: [{ address: "10.1.0.20" }],
} as unknown as ReturnType<typeof networkInterfaces>);

const never = new AbortController().signal;
const everything = "0.0.0.0/0:* [::/0]:* *.test:* 127.0.0.0/8:* [::1]:* targets";

function admission(allow: string, options: Partial<AdmissionOptions> = {}): Admission {
  return new Admission({ allow: allowed(allow), targets: () => [], resolve: namesIn({}), ...options });
}

/** The addresses that may be dialled, or the reason why there are none. */
async function admit(allow: string, url: string, options: Partial<AdmissionOptions> = {}) {
  try {
    return await admission(allow, options).admit(readRelayTarget([url]), never);
  } catch (error) {
    return (error as Error).message;
  }
}

describe("an address in the URL is admitted", () => {
  it.each([
    ["10.0.0.0/8:9100", "http://10.1.2.3:9100/", true],
    ["10.0.0.0/8:9100", "http://10.1.2.3:9101/", false],
    ["10.0.0.0/8:9100", "http://11.1.2.3:9100/", false],
    ["10.0.0.0/8:9100-9200", "http://10.1.2.3:9200/", true],
    ["10.0.0.0/8:9100-9200", "http://10.1.2.3:9201/", false],
    ["10.0.0.0/8:*", "http://10.1.2.3/", true],
    ["10.0.0.0/8:443", "https://10.1.2.3/", true],
    ["10.1.2.3:9100", "http://10.1.2.4:9100/", false],
    ["10.0.0.0/8:9100", "http://[::ffff:10.1.2.3]:9100/", true],
    ["[fd00::/8]:9100", "http://[fd12::1]:9100/", true],
    ["[fd00::/8]:9100", "http://[fe12::1]:9100/", false],
    ["[fd00::/8]:9100", "http://10.1.2.3:9100/", false],
    ["0.0.0.0/0:9100", "http://[fd12::1]:9100/", false],
    ["*.test:*", "http://10.1.2.3:9100/", false],
  ])("by %s, %s: %s", async (allow, url, is) => {
    expect(Array.isArray(await admit(allow, url))).toBe(is);
  });
});

describe("what is never admitted, whatever RELAY_ALLOW contains,", () => {
  it.each([
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::169.254.169.254]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://0.0.0.0:9100/",
    "http://0:9100/",
    "http://[::]:9100/",
    "http://224.0.0.1:9100/",
    "http://[ff02::1]:9100/",
    "http://255.255.255.255:9100/",
    "http://10.0.0.1:2375/containers/json",
    "http://anything.test:2376/containers/json",
  ])("is %s", async (url) => {
    expect(await admit(everything, url)).toMatch(/never relayed$/);
  });

  it("is a name that resolves to such an address", async () => {
    const resolve = namesIn({
      "a.test": [["169.254.169.254"]],
      "b.test": [["fe80::1%eth0"]],
      "c.test": [["::"]],
    });
    for (const name of ["a", "b", "c"])
      expect(await admit(everything, `http://${name}.test/`, { resolve })).toMatch(
        /resolves to .*never relayed$/,
      );
  });

  it.each([
    ["by its address", "10.0.0.9", "http://10.0.0.9:1234/"],
    ["by another spelling of it", "10.0.0.9", "http://[::ffff:a00:9]:1234/"],
    ["by its name", "engine.test", "http://Engine.TEST.:1234/"],
    ["by the address of its name", "engine.test", "http://10.0.0.9:1234/"],
    ["by another name", "10.0.0.9", "http://alias.test:1234/"],
    ["by another name than its own", "engine.test", "http://alias.test:1234/"],
    ["by another address of loopback", "127.0.0.1", "http://127.0.0.2:1234/"],
    ["by loopback's IPv6", "127.0.0.1", "http://[::1]:1234/"],
    ["on all addresses, by loopback", "0.0.0.0", "http://127.0.0.1:1234/"],
    ["on all addresses, by an address of this machine", "0.0.0.0", "http://10.0.0.20:1234/"],
    ["on all addresses, by an IPv6 address of this machine", "::", "http://[fd12::20]:1234/"],
    ["on loopback, by an address of this machine", "127.0.0.1", "http://10.1.0.20:1234/"],
    ["on an address of this machine, by another one", "10.0.0.20", "http://10.1.0.20:1234/"],
    ["on an address of this machine, by loopback", "10.0.0.20", "http://127.0.0.1:1234/"],
  ])("is the Docker engine, %s", async (_how, host, url) => {
    const resolve = namesIn({ "engine.test": [["10.0.0.9"]], "alias.test": [["10.0.0.9"]] });
    expect(await admit(everything, url, { resolve, engine: { host, port: 1234 } })).toMatch(
      /the Docker engine: never relayed$/,
    );
  });

  it.each([
    ["0.0.0.0", "10.0.0.9"],
    ["10.0.0.9", "10.0.0.20"],
  ])("is not the engine's port of other machines: engine at %s, target %s", async (host, target) => {
    const engine = { host, port: 1234 };
    expect(await admit(everything, `http://${target}:1234/`, { engine })).toEqual([target]);
  });

  it("is any host at the engine's port while the engine's name cannot be resolved", async () => {
    const engine = { host: "engine.test", port: 1234 };
    expect(await admit(everything, "http://10.0.0.9:1234/", { engine })).toMatch(
      /whose address cannot be resolved$/,
    );
    expect(await admit(everything, "http://10.0.0.9:1235/", { engine })).toEqual(["10.0.0.9"]);
  });
});

describe("loopback", () => {
  const resolve = namesIn({ localhost: [["::1", "127.0.0.1"]], "a.test": [["127.0.0.1"]] });

  it.each([
    ["127.0.0.0/8:9100", "http://127.0.0.1:9100/"],
    ["127.0.0.0/8:9100", "http://2130706433:9100/"],
    ["127.0.0.0/8:9100", "http://[::ffff:127.0.0.1]:9100/"],
    ["127.0.0.1:9100", "http://a.test:9100/"],
    ["[::1]:9100", "http://[::1]:9100/"],
    ["localhost:9100", "http://localhost:9100/"],
  ])("is admitted by the explicit entry %s: %s", async (allow, url) => {
    expect(await admit(allow, url, { resolve })).toBeInstanceOf(Array);
  });

  it.each([
    ["0.0.0.0/0:* [::/0]:*", "http://127.0.0.1:9100/"],
    ["0.0.0.0/0:* [::/0]:*", "http://0x7f.1:9100/"],
    ["0.0.0.0/0:* [::/0]:*", "http://[::1]:9100/"],
    ["0.0.0.0/0:* [::/0]:*", "http://[::ffff:7f00:1]:9100/"],
    ["0.0.0.0/0:*", "http://localhost:9100/"],
    ["*.test:9100", "http://a.test:9100/"],
    ["a.test:9100", "http://a.test:9100/"],
    ["localhost:9100", "http://a.test:9100/"],
    ["localhost:9100", "http://127.0.0.1:9100/"],
    ["127.0.0.1:9101 0.0.0.0/0:*", "http://127.0.0.1:9100/"],
    ["targets", "http://127.0.0.1:9100/"],
  ])("is not admitted by %s: %s", async (allow, url) => {
    const targets = () => [targetAt("http://127.0.0.1:9100/metrics")];
    expect(await admit(allow, url, { resolve, targets })).toMatch(
      /^RELAY_ALLOW does not allow the loopback address/,
    );
  });

  it("is not admitted by an address that only embeds it", async () => {
    expect(await admit(everything, "http://[::127.0.0.1]:9100/")).toMatch(/never relayed$/);
    expect(await admit(everything, "http://[64:ff9b::127.0.0.1]:9100/")).toMatch(/never relayed$/);
  });
});

describe("a name", () => {
  const resolve = namesIn({
    node: [["10.0.0.1"]],
    "a.example.test": [["10.0.0.2"]],
    "example.test": [["10.0.0.3"]],
    "badexample.test": [["10.0.0.4"]],
    "mixed.test": [["169.254.169.254", "10.0.0.5", "127.0.0.1", "fd00::5", "192.0.2.1"]],
    "nothing.test": [[]],
  });

  it.each([
    ["node:9100", "http://node:9100/", ["10.0.0.1"]],
    ["node:9100", "http://NODE.:9100/", ["10.0.0.1"]],
    ["*.example.test:9100", "http://a.example.test:9100/", ["10.0.0.2"]],
    ["10.0.0.0/8:9100", "http://node:9100/", ["10.0.0.1"]],
    ["10.0.0.0/8:9100 [fd00::/8]:9100", "http://mixed.test:9100/", ["10.0.0.5", "fd00::5"]],
    ["mixed.test:9100", "http://mixed.test:9100/", ["10.0.0.5", "fd00::5", "192.0.2.1"]],
  ])("is admitted by %s, %s, to these addresses only: %j", async (allow, url, addresses) => {
    expect(await admit(allow, url, { resolve })).toEqual(addresses);
  });

  it.each([
    ["node:9100", "http://node:9101/"],
    ["*.example.test:9100", "http://example.test:9100/"],
    ["*.example.test:9100", "http://badexample.test:9100/"],
    ["192.168.0.0/16:9100", "http://node:9100/"],
    ["10.0.0.0/8:9100", "http://nothing.test:9100/"],
  ])("is not admitted by %s: %s", async (allow, url) => {
    expect(await admit(allow, url, { resolve })).toMatch(/^RELAY_ALLOW does not allow .* at port \d+$/);
  });

  it("is not resolved for a port that no entry allows", async () => {
    const names = namesIn({ node: [["10.0.0.1"]] });
    await admit("10.0.0.0/8:9100", "http://node:9101/", { resolve: names });
    expect(names.requests).toEqual([]);
  });
});

describe("the entry `targets`", () => {
  const targets = () => [
    targetAt(["http://172.18.0.3/metrics", "http://172.18.0.3:8080/metrics", "https://[fd00::3]:8443/"]),
    targetAt("http://db.test:9187/metrics"),
    targetAt([], { fetch: { kind: "none", state: "disabled", reason: "switched off" } }),
  ];
  const resolve = namesIn({
    web: [["172.18.0.3"]],
    "db.test": [["10.0.0.7"]],
    "other.test": [["10.0.0.7"]],
    "rebound.test": [["10.0.0.8"]],
  });

  it.each([
    ["http://172.18.0.3:8080/other/path", true],
    ["http://172.18.0.3/metrics", true],
    ["https://172.18.0.3:80/", true],
    ["http://[fd00::3]:8443/", true],
    ["http://web:8080/metrics", true],
    ["http://db.test:9187/metrics", true],
    ["http://172.18.0.3:9100/metrics", false],
    ["http://172.18.0.3:808/metrics", false],
    ["http://172.18.0.30/metrics", false],
    ["http://172.18.0.4:8080/metrics", false],
    ["http://web:9100/metrics", false],
    ["http://10.0.0.7:9187/metrics", false],
    ["http://other.test:9187/metrics", false],
    ["http://rebound.test:9187/metrics", false],
  ])("admits the addresses at which discovery found targets: %s: %s", async (url, is) => {
    expect(Array.isArray(await admit("targets", url, { resolve, targets }))).toBe(is);
  });

  it("follows discovery", async () => {
    const found = [targetAt("http://10.0.0.1:9100/metrics")];
    const gate = admission("targets", { targets: () => found });
    const target = readRelayTarget(["http://10.0.0.1:9100/metrics"]);
    expect(await gate.admit(target, never)).toEqual(["10.0.0.1"]);
    found.pop();
    await expect(gate.admit(target, never)).rejects.toMatchObject({ status: 403 });
  });

  it("admits no forbidden address, even if a targets file contains it", async () => {
    const metadata = () => [targetAt("http://169.254.169.254/metrics")];
    expect(await admit("targets", "http://169.254.169.254/metrics", { targets: metadata })).toMatch(/never/);
  });
});
