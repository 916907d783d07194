import { BlockList, isIP, isIPv6 } from "node:net";
import fc from "fast-check";
import { relayAllow } from "../../../src/config/relay-allow.js";
import { Admission } from "../../../src/server/relay/admission.js";
import { RelayError } from "../../../src/server/relay/relay-error.js";
import { readRelayTarget } from "../../../src/server/relay/relay-target.js";
import { law, refusing, type Subject } from "../subject.js";

/** What the relay must never request, written independently of the source. */
const never = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["169.254.0.0", 16],
  ["224.0.0.0", 3],
] as const) {
  never.addSubnet(network, prefix, "ipv4");
}
for (const [network, prefix] of [
  ["fe80::", 10],
  ["ff00::", 8],
  ["64:ff9b::", 96],
  ["2002::", 16],
] as const) {
  never.addSubnet(network, prefix, "ipv6");
}
never.addAddress("::", "ipv6");

const anyIPv4 = new BlockList();
anyIPv4.addSubnet("0.0.0.0", 0, "ipv4");
const tens = new BlockList();
tens.addSubnet("10.0.0.0", 8, "ipv4");
const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** An IPv4-mapped address counts as its IPv4 address. */
function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

const engine = { host: "10.0.0.9", port: 4000 };
/** RELAY_ALLOW entries, each with a function that tests whether it allows a host and its address. */
const allowed: Readonly<Record<string, (host: string, port: number, address: string) => boolean>> = {
  targets: () => false,
  "0.0.0.0/0:*": (_host, _port, address) => isIn(anyIPv4, address) && !isIn(loopback, address),
  "[::/0]:1-65535": (_host, _port, address) => !isIn(anyIPv4, address) && !isIn(loopback, address),
  "10.0.0.0/8:9100": (_host, port, address) => port === 9100 && isIn(tens, address),
  "127.0.0.1:80": (_host, port, address) => port === 80 && isIn(loopback, address),
  "*.example.internal:*": (host, _port, address) =>
    host.endsWith(".example.internal") && !isIn(loopback, address),
  "localhost:80": (host, port) => host === "localhost" && port === 80,
  "node1:4000": (host, port, address) => host === "node1" && port === 4000 && !isIn(loopback, address),
};
const allows = Object.keys(allowed);
const hosts = [
  "10.0.0.1",
  "10.0.0.9",
  "127.0.0.1",
  "0x7f.1",
  "2130706433",
  "0251.0376.0251.0376",
  "[::1]",
  "[::ffff:169.254.169.254]",
  "[fe80::1]",
  "[::169.254.1.1]",
  "node1",
  "a.example.internal.",
  "LOCALHOST",
  "169.254.169.254",
  "\u24db\u24de\u24d2\u24d0\u24db",
  "user@10.0.0.1",
];

/** One line each: RELAY_ALLOW, a target, and the addresses of its name. Only allowed addresses are dialled. */
export const subject: Subject = {
  name: "relay",
  seeds: () =>
    allows.flatMap((allow, index) =>
      hosts.map((host) =>
        Buffer.from(`${allow}\nhttp://${host}:${[9100, 80, 4000][index % 3]}/p\n10.0.0.1 127.0.0.1`),
      ),
    ),
  words: [
    ...allows,
    ...hosts.map((host) => Buffer.from(host).toString("latin1")),
    "http://",
    "https://",
    ":2375",
    ":4000",
    "/metrics?a=b",
    "%2f",
    "%00",
    "\\",
    "@",
    "#",
    "..",
    "/32",
    "/128",
    "::ffff:169.254.1.1",
    "fe80::1%eth0",
    "1.2.3.4",
  ],
  madeUp: fc
    .tuple(
      fc.array(fc.constantFrom(...allows), { minLength: 1, maxLength: 4 }),
      fc.constantFrom("http", "https", "HTTP", "ftp"),
      fc.oneof(
        fc.constantFrom(...hosts),
        fc.ipV4Extended(),
        fc.ipV6().map((ip) => `[${ip}]`),
      ),
      fc.constantFrom("", ":80", ":9100", ":4000", ":2375", ":0", ":65536"),
      fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom("169.254.1.1", "::1", "10.0.0.9", "x")), {
        maxLength: 4,
      }),
    )
    .map(([list, scheme, host, port, addresses]) =>
      Buffer.from(`${list.join(" ")}\n${scheme}://${host}${port}/m\n${addresses.join(" ")}`),
    ),
  async check(input) {
    const [allowText = "", targetText = "", addressText = ""] = input.toString().split("\n");
    const reading = allowText === "" ? { expected: "" } : relayAllow(allowText);
    const target = refusing(() => readRelayTarget([targetText]), isRefusal(400));
    if (target !== undefined) {
      const { url, host, port } = target;
      law(
        /^https?:$/.test(url.protocol) && url.username === "" && url.hash === "",
        "a target can be requested",
      );
      law(port >= 1 && port <= 65535 && host !== "", "a target has a host and a port", () => targetText);
    }
    if (!("value" in reading)) {
      law(!/[\n\r]/.test(reading.expected), "a problem is one line");
      return;
    }
    if (target === undefined) return;
    const admission = new Admission({
      allow: reading.value,
      engine,
      targets: () => [],
      resolve: async () => addressText.split(" ").filter((address) => address !== ""),
    });
    let addresses: readonly string[];
    try {
      addresses = await admission.admit(target, new AbortController().signal);
    } catch (error) {
      if (isRefusal(403)(error)) return;
      throw error;
    }
    law(addresses.length > 0 && target.port !== 2375, "what is admitted can be dialled");
    for (const address of addresses) {
      law(isIP(address) !== 0, "an address is dialled, no name", () => address);
      law(!isIn(never, address), "nothing forbidden is dialled", () => address);
      const entries = allowText.split(/[ ,]+/).map((entry) => allowed[entry] ?? (() => true));
      law(
        entries.some((includes) => includes(target.host, target.port, address)),
        "nothing is dialled that is not allowed",
        () => [allowText, target, address],
      );
      law(target.port !== engine.port || address !== engine.host, "the engine is never dialled");
      law(isIP(target.host) === 0 || address === target.host, "an address is dialled as it was checked");
    }
  },
};

function isRefusal(status: number): (error: unknown) => boolean {
  return (error) => error instanceof RelayError && error.status === status && !/[\n\r]/.test(error.message);
}
