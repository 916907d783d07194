import { Readable } from "node:stream";
import fc from "fast-check";
import { linesOf, readEvent } from "../../../src/discovery/docker/events.js";
import { inPieces } from "../random.js";
import { law, type Subject } from "../subject.js";

const maxLineLength = 400;

const event = fc.record(
  {
    Type: fc.constantFrom("container", "network", "image"),
    Action: fc.constantFrom("start", "die", "pause", "unpause", "rename", "connect", "exec_start: sh"),
    Actor: fc.record({
      ID: fc.string(),
      Attributes: fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
    }),
    time: fc.oneof(fc.nat(), fc.double()),
    timeNano: fc.oneof(fc.maxSafeNat(), fc.double()),
  },
  { requiredKeys: ["Type", "Action", "Actor", "time"] },
);

/** The stream of `GET /events`: the same lines for all chunk boundaries; an event has a valid time. */
export const subject: Subject = {
  name: "docker-events",
  seeds: () =>
    [
      '{"Type":"container","Action":"start","Actor":{"ID":"abc","Attributes":{"name":"a"}},"time":1700000000,"timeNano":1700000000123456789}\n',
      '{"Type":"network","Action":"connect","Actor":{"ID":"abc"},"time":1700000000}\n\n\r\n{}\n',
      `${"x".repeat(maxLineLength)}\n${"x".repeat(maxLineLength + 1)}\n`,
    ].map((text) => Buffer.from(text)),
  words: [
    '"Type":"container",',
    '"Action":"die",',
    '"Actor":{"ID":"x"},',
    '"time":1e400,',
    '"timeNano":1e308,',
    "\n",
    "\r\n",
    "{}",
    "null",
    "[]",
  ],
  madeUp: fc
    .array(event, { maxLength: 5 })
    .map((events) => Buffer.from(events.map((one) => `${JSON.stringify(one)}\n`).join(""))),
  async check(input) {
    const whole = await split([input]);
    for (const cut of [0, 1, 2]) {
      law(
        JSON.stringify(await split(inPieces(input, cut))) === JSON.stringify(whole),
        "the lines do not depend on chunk boundaries",
      );
    }
    for (const line of whole) {
      if (line === null) continue;
      law(Buffer.byteLength(line) <= 3 * maxLineLength, "a line is within its limit");
      const read = readEvent(line);
      if (read === undefined) continue;
      law(read.atMicroseconds >= 0 && read.atMicroseconds < 1e18, "an event has a valid time", () => line);
    }
  },
};

/** The lines; null replaces a line that is too long. */
async function split(pieces: readonly Buffer[]): Promise<(string | null)[]> {
  const lines: (string | null)[] = [];
  for await (const line of linesOf(Readable.from(pieces), maxLineLength)) lines.push(line ?? null);
  return lines;
}
