import { gunzipSync, gzipSync } from "node:zlib";
import {
  decodePublication,
  encodePublication,
  InvalidPublicationError,
} from "../../../src/archive/publication-json.js";
import { Cache } from "../../../src/cache/cache.js";
import { silentLogger } from "../../../src/logging.js";
import { MemoryBudget } from "../../../src/memory-budget.js";
import { isNumber } from "../../../src/model/number.js";
import { isEncodableSegment } from "../../../src/model/path-segment.js";
import { type Publication, succeeded } from "../../../src/model/publication.js";
import {
  anyPublication,
  batch,
  clockAt,
  failure,
  publishedTarget,
  success,
  swarmDocument,
  targetsDocument,
} from "../../support/publications.js";
import { law, type Subject } from "../subject.js";

const jsonOf = (publication: Publication) => gunzipSync(encodePublication(publication).bytes);

/** Publications of a peer, compressed or not, and what the cache does with them. */
export const subject: Subject = {
  name: "publication",
  seeds: () => [
    jsonOf(batch(5, [success("docker:1", 3), failure("docker:2"), success("docker:3", 4)])),
    jsonOf(targetsDocument(6, [publishedTarget(), publishedTarget({ id: "docker:2", state: "gone" })])),
    jsonOf(swarmDocument(7, { services: [{ id: "s", name: "web", labels: { a: "b" }, replicas: 2 }] })),
    encodePublication(batch(5, [success("docker:1", 3)])).bytes,
  ],
  words: [
    '"kind":"batch",',
    '"kind":"targets",',
    '"kind":"swarm",',
    '"local":true,',
    '"number":4503599627370495,',
    '"number":4503599627370496,',
    '"attempts":{',
    '"target":[1],"ago":[0],"duration":[0],"failure":[-1],',
    '"scrape":[1],"size":[0],"samples":[0],"type":[0],',
    '"reasons":["timeout"],',
    '"types":["text/plain"]',
    '"names":["__proto__"],',
    '"__proto__":{"a":1},',
    "281474976710656",
    "-1",
    "0.5",
    "1e308",
    "\\ud800",
    "null",
    "[]",
  ],
  madeUp: anyPublication.map(jsonOf),
  async check(input) {
    await read(input);
    await read(gzipSync(input));
  },
};

async function read(bytes: Buffer): Promise<void> {
  let decoded: Awaited<ReturnType<typeof decodePublication>>;
  try {
    decoded = await decodePublication(bytes);
  } catch (error) {
    if (error instanceof InvalidPublicationError) return;
    throw error;
  }
  const { publication } = decoded;
  law(isNumber(publication.number), "a number is valid");
  if (publication.kind === "batch") {
    for (const attempt of publication.attempts.filter(succeeded)) {
      law(isNumber(attempt.outcome.number), "the number of a scrape is valid");
    }
  }
  if (publication.kind === "targets") {
    for (const { names, job, replica } of publication.targets) {
      law([...names, job, replica].every(isEncodableSegment), "names are segments of a path");
    }
  }
  const again = await decodePublication(encodePublication(publication).bytes);
  law(sameText(again.publication, publication), "a publication is read as it is written", () => [
    publication,
    again,
  ]);
  const clock = clockAt();
  const budget = new MemoryBudget(100_000_000);
  const cache = new Cache({ clock, budget, logger: silentLogger, staleAfter: 30, history: 300 });
  for (const number of cache.add({ ...decoded, bytes, at: clock.monotonic() })) {
    const gzip = Buffer.alloc(10);
    if (budget.take(gzip.length)) cache.addScrape(publication.origin, number, gzip);
  }
  law(cache.feed(publication.origin)?.held === publication.number, "a publication with its scrapes is held");
  for (const { scrapedAt, measuredAt } of cache.all()) {
    law(Number.isFinite(scrapedAt) && Number.isFinite(measuredAt), "times are numbers");
  }
  clock.advance(600_001);
  cache.expire();
  law(budget.used === 0, "all memory is given back");
}

/** Durations travel in whole milliseconds. */
function sameText(one: Publication, other: Publication): boolean {
  const rounded = (key: string, value: unknown) =>
    (key === "duration" || key === "ago") && typeof value === "number" ? undefined : value;
  return JSON.stringify(one, rounded) === JSON.stringify(other, rounded);
}
