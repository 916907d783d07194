import fc from "fast-check";
import { readConfig } from "../../../src/config/config.js";
import { ConfigError } from "../../../src/errors.js";
import { law, refusing, type Subject } from "../subject.js";

const secret = "a-secret-that-never-shows";
const names = Object.keys(readConfig({}).variables);
const values = [
  "10",
  "0.5",
  "3600",
  "1e3",
  "0x10",
  "-1",
  ":2137",
  "[::1]:22",
  "127.0.0.1:65536",
  "node1:2222 [fd00::1]:22,node2",
  "80,443 1201",
  "/metrics?a=b",
  "managers",
  "targets 10.0.0.0/8:9100,[fd00::/8]:* *.example.internal:1-2",
  "debug",
  "true",
  "\u0000",
  "\u2028",
  "\ud800",
];

/** The environment, one `NAME=value` per line: a frozen configuration, or one line per problem. */
export const subject: Subject = {
  name: "config",
  seeds: () => [
    Buffer.from(names.map((name, index) => `${name}=${values[index % values.length]}`).join("\n")),
    ...names.flatMap((name) => values.map((value) => Buffer.from(`${name}=${value}`))),
  ],
  words: [
    ...names.map((name) => `\n${name}=`),
    ...values.map((value) => Buffer.from(value).toString("latin1")),
  ],
  madeUp: fc
    .array(fc.tuple(fc.constantFrom(...names), fc.oneof(fc.constantFrom(...values), fc.string())), {
      maxLength: 8,
    })
    .map((pairs) => Buffer.from(pairs.map((pair) => pair.join("=")).join("\n"))),
  check(input) {
    const raw = environmentOf(input);
    const config = refusing(
      () => readConfig(raw),
      (error) => {
        if (!(error instanceof ConfigError)) return false;
        for (const problem of error.problems) {
          law(!/[\n\r]/.test(problem), "a problem is one line", () => problem);
          law(!problem.includes(secret), "a problem shows no secret", () => problem);
        }
        return error.problems.length > 0;
      },
    );
    if (config === undefined) return;
    law(Object.isFrozen(config) && Object.isFrozen(config.listen), "a configuration is frozen");
    const described = config.variables;
    law(!JSON.stringify(described).includes(secret), "a description shows no secret");
    const { sshPass: SSHPASS = "", bearerToken: BEARER_TOKEN = "" } = config;
    // In quotes, because quotes around a value are removed.
    const quoted = Object.entries(described).map(([name, value]) => [name, `"${value}"`]);
    const back = readConfig({ ...Object.fromEntries(quoted), SSHPASS, BEARER_TOKEN });
    law(
      JSON.stringify(back) === JSON.stringify(config),
      "the description is a valid environment for the same configuration",
      () => [config, back],
    );
  },
};

function environmentOf(input: Buffer): Record<string, string> {
  const pairs = input
    .toString()
    .split("\n")
    .map((line): [string, string] => {
      const cut = line.indexOf("=");
      return cut < 0 ? [line, ""] : [line.slice(0, cut), line.slice(cut + 1)];
    })
    // Files of this machine must not influence the result.
    .filter(([name]) => name !== "SSHPASS_FILE" && name !== "BEARER_TOKEN_FILE");
  return {
    ...Object.fromEntries(pairs),
    ...(input.length % 2 === 0 ? { SSHPASS: secret } : {}),
    ...(input.length % 3 === 0 ? { BEARER_TOKEN: secret } : {}),
  };
}
