import { BlockList, isIP, isIPv6 } from "node:net";
import fc from "fast-check";
import { relayAllow } from "../../../src/config/relay-allow.js";
import { Admission } from "../../../src/server/relay/admission.js";
import { RelayError } from "../../../src/server/relay/relay-error.js";
import { readRelayTarget } from "../../../src/server/relay/relay-target.js";
import { law, refusing, type Subject } from "../subject.js";

/** Written anew here: what the relay must never ask. */
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

const engine = { host: "10.0.0.9", port: 4000 };
const allows = [
  "targets",
  "0.0.0.0/0:*",
  "[::/0]:1-65535",
  "10.0.0.0/8:9100",
  "127.0.0.1:80",
  "*.example.internal:*",
  "localhost:80",
  "node1:4000",
];
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

/** RELAY_ALLOW, a target, and the addresses that its name leads to, a line each: only what may be is dialled. */
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
    const reading = allowText === "" ? { allowed: "" } : relayAllow(allowText);
    const target = refusing(() => readRelayTarget([targetText]), isRefusal(400));
    if (target !== undefined) {
      const { url, host, port } = target;
      law(/^https?:$/.test(url.protocol) && url.username === "" && url.hash === "", "a target can be asked");
      law(port >= 1 && port <= 65535 && host !== "", "a target has a host and a port", () => targetText);
    }
    if (!("value" in reading)) {
      law(!/[\n\r]/.test(reading.allowed), "what is allowed is told in one line");
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
      law(
        !never.check(address, isIPv6(address) ? "ipv6" : "ipv4"),
        "nothing forbidden is dialled",
        () => address,
      );
      law(target.port !== engine.port || address !== engine.host, "the engine is never dialled");
      law(isIP(target.host) === 0 || address === target.host, "an address is dialled as it was checked");
    }
  },
};

function isRefusal(status: number): (error: unknown) => boolean {
  return (error) => error instanceof RelayError && error.status === status && !/[\n\r]/.test(error.message);
}
