import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { EntryIndex } from "../../../src/cache/entry-index.js";
import { Holdings } from "../../../src/cache/holdings.js";
import { Intake } from "../../../src/replication/intake.js";
import { defaultLimits } from "../../../src/replication/limits.js";
import {
  encodeMessage,
  inflateMessage,
  type Message,
  parseMessage,
  type Section,
} from "../../../src/replication/messages.js";
import { PeerError } from "../../../src/replication/peer-error.js";
import { writeSequences } from "../../../src/replication/sequence-list.js";
import { entryFor, manualClock } from "../../support/entries.js";
import { law, refusing, type Subject } from "../subject.js";

const maxBytes = 64 * 1024;
const readMessage = (payload: Buffer, most: number) => parseMessage(inflateMessage(payload, most));
const { entriesPerOrigin: mostEntries } = defaultLimits(1024);
const isRefusal = (error: unknown) => error instanceof PeerError;

const count = fc.oneof({ weight: 9, arbitrary: fc.nat(50) }, { weight: 1, arbitrary: fc.maxSafeNat() });
const origin = fc.constantFrom("node1", "node2", "own", "a/b", "", "x".repeat(300), "ö", "__proto__");
const sequences = fc.oneof(
  fc.uniqueArray(fc.integer({ min: 1, max: 60 })).map((list) => writeSequences(list.sort((a, b) => a - b))),
  fc.array(fc.tuple(count, count), { maxLength: 6 }),
  // As many as an origin may have, in no more room than one.
  fc.constant([[1, mostEntries]]),
);
const times = { weight: 9, arbitrary: fc.nat(100_000) };
const strangeTimes = { weight: 1, arbitrary: fc.double() };
const renewal = fc.record(
  { at: fc.oneof(times, strangeTimes), age: fc.nat(100_000), only: sequences, except: sequences },
  { requiredKeys: ["at", "age"] },
);
/** A few, now and then each of them over and over. */
const renewals = fc
  .tuple(fc.array(renewal, { maxLength: 5 }), fc.constantFrom(1, 1, 1, 1, 300))
  .map(([list, copies]) => Array.from({ length: copies }, () => list).flat());
const holding = fc.tuple(origin, count, count, count);
const section = fc.record(
  {
    origin,
    epoch: count,
    sequence: count,
    base: count,
    heard: fc.oneof(times, strangeTimes),
    kept: sequences,
    renewals,
    entries: count,
    advertise: fc.string(),
  },
  { requiredKeys: ["origin", "epoch", "sequence", "base", "heard"] },
);
const message = fc.oneof(
  fc.record({ kind: fc.constant("hello"), protocol: fc.nat(2), instance: fc.string(), origin }),
  fc.record({ kind: fc.constant("ask"), manager: fc.boolean() }),
  fc.record({
    kind: fc.constant("have"),
    manager: fc.boolean(),
    have: fc.array(holding),
    labels: fc.string(),
  }),
  fc.record({
    kind: fc.constant("plan"),
    raise: count,
    light: fc.array(section, { maxLength: 4 }),
    offer: fc.array(origin),
    want: fc.array(holding),
    labels: fc.array(fc.tuple(fc.string(), fc.dictionary(fc.string(), fc.string()))),
  }),
  fc.record({
    kind: fc.constant("answer"),
    light: fc.array(section, { maxLength: 4 }),
    heavy: count,
    want: fc.array(holding),
  }),
  fc.record({ kind: fc.constant("section"), section }),
);

/** Control messages of a peer, inflated or not, and what becomes of the sections in them. */
export const subject: Subject = {
  name: "messages",
  seeds: () => fc.sample(message, { seed: 1, numRuns: 60 }).map((one) => Buffer.from(JSON.stringify(one))),
  words: [
    '"kind":"plan",',
    '"kind":"answer",',
    '"kind":"section",',
    '"kind":"have",',
    '"kind":"sent"',
    '"kind":"taken"',
    '"section":{',
    '"light":[',
    '"renewals":[{"at":1,"age":0,"only":[[1,20000]]}],',
    '{"at":1,"age":0,"only":[[1,20000]]},',
    '{"at":1,"age":0,"except":[[1,19999]]},',
    '"kept":[[1,20000]],',
    "[1,1],",
    '"epoch":5,',
    '"entries":5,',
    '"__proto__":{"a":1},',
    '"constructor":"x",',
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
  maxBytes,
  check(input) {
    refusing(() => readMessage(input, maxBytes), isRefusal);
    const read = refusing(() => readMessage(deflateRawSync(input), maxBytes), isRefusal);
    if (read === undefined) return;
    const again = readMessage(encodeMessage(read), 4 * maxBytes);
    law(JSON.stringify(again) === JSON.stringify(read), "a message is read as it is written", () => [
      read,
      again,
    ]);
    for (const one of sectionsOf(read)) take(one);
  },
};

function sectionsOf(read: Message): readonly Section[] {
  if (read.kind === "section") return [read.section];
  return read.kind === "plan" || read.kind === "answer" ? read.light : [];
}

/** Takes a section in where there are entries of its origin already, then one entry more if it has any. */
function take(one: Section): void {
  const clock = manualClock();
  const index = new EntryIndex();
  const holdings = new Holdings({ index, clock, staleAfter: 30 });
  holdings.publish({ origin: "own", epoch: 3, travels: () => true });
  const epoch = one.epoch;
  for (let sequence = 1; sequence <= 40; sequence++) {
    const entry = entryFor(clock, {
      id: String(sequence),
      origin: one.origin,
      epoch,
      sequence,
      renewed: sequence,
    });
    holdings.take(entry);
  }
  holdings.reach(one.origin, { epoch, sequence: Math.min(one.base, 40) }, clock.monotonic());
  clock.advance(10);
  const before = holdings.versionOf(one.origin);
  refusing(() => {
    const intake = new Intake(one, holdings, clock.monotonic(), mostEntries);
    if (intake.missing > 0) {
      const sequence = one.base + 1;
      intake.take(entryFor(clock, { id: "new", origin: one.origin, epoch, sequence, renewed: sequence }));
    }
    intake.finish();
  }, isRefusal);
  const after = holdings.versionOf(one.origin);
  law(after.epoch >= before.epoch, "an origin never goes back", () => ({ before, after }));
  law(index.totals.entries <= 41, "no entries appear from nowhere");
  for (const entry of holdings.entriesOf(one.origin)) {
    law(
      Number.isFinite(entry.scrapedAt) && Number.isFinite(entry.measuredAt),
      "times stay numbers",
      () => entry,
    );
  }
}
