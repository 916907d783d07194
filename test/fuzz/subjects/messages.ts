import fc from "fast-check";
import { isNumber } from "../../../src/model/number.js";
import { isPathSegment } from "../../../src/model/path-segment.js";
import { PeerError } from "../../../src/replication/peer-error.js";
import {
  maxFetched,
  maxOrigins,
  parseMessage,
  protocolVersion,
} from "../../../src/replication/wire/messages.js";
import { law, refusing, type Subject } from "../subject.js";

const isRefusal = (error: unknown) => error instanceof PeerError;
const number = fc.oneof(fc.nat(50), fc.maxSafeNat(), fc.double());
const origin = fc.constantFrom("node1", "node2", "a/b", "", "x".repeat(300), "ö", "__proto__", "..");
const numbers = fc.array(number, { maxLength: 5 });
const message = fc.oneof(
  fc.record({
    kind: fc.constant("hello"),
    protocol: fc.constantFrom(protocolVersion, 1),
    origin,
    instance: fc.string(),
    manager: fc.boolean(),
    task: fc.string(),
  }),
  fc.record({ kind: fc.constant("have"), origins: fc.array(fc.tuple(origin, number, number)) }),
  fc.record({ kind: fc.constant("follow"), origin, above: number }),
  fc.record({ kind: fc.constantFrom("unfollow", "refuse"), origin }),
  fc.record({ kind: fc.constant("publication"), origin, number, age: number }),
  fc.record({ kind: fc.constantFrom("fetch", "absent"), origin, numbers }),
);

/** Messages of a peer. */
export const subject: Subject = {
  name: "messages",
  seeds: () => fc.sample(message, { seed: 1, numRuns: 60 }).map((one) => Buffer.from(JSON.stringify(one))),
  words: [
    '"kind":"hello",',
    `"protocol":${protocolVersion},`,
    '"kind":"have",',
    '"origins":[["node1",1,0]]',
    '"kind":"follow",',
    '"kind":"publication",',
    '"kind":"fetch",',
    '"numbers":[1,2]',
    '"__proto__":{"a":1},',
    "\\u0000",
    "\\ud800",
    "4503599627370496",
    "-0",
    "1e308",
    "true",
    "null",
    "[]",
    "{}",
  ],
  madeUp: message.map((one) => Buffer.from(JSON.stringify(one))),
  maxBytes: 64 * 1024,
  check(input) {
    const read = refusing(() => parseMessage(input), isRefusal);
    if (read === undefined) return;
    const again = parseMessage(Buffer.from(JSON.stringify(read)));
    law(JSON.stringify(again) === JSON.stringify(read), "a message is read as it is written", () => [
      read,
      again,
    ]);
    if ("origin" in read) law(isPathSegment(read.origin), "an origin is one segment of a path");
    if ("origins" in read) {
      law(read.origins.length <= maxOrigins, "origins are limited");
      for (const [name] of read.origins) law(isPathSegment(name), "an origin is one segment of a path");
    }
    if ("numbers" in read)
      law(read.numbers.length <= maxFetched && read.numbers.every(isNumber), "numbers are valid");
    if ("number" in read) law(isNumber(read.number), "a number is valid");
  },
};
