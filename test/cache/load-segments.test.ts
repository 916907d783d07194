import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { publicationMemberName, scrapeMemberName } from "../../src/archive/members.js";
import { encodePublication } from "../../src/archive/publication-json.js";
import { encodeMembers, type TarMember } from "../../src/archive/tar-writer.js";
import { Cache } from "../../src/cache/cache.js";
import { loadSegments } from "../../src/cache/load-segments.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import type { Publication } from "../../src/model/publication.js";
import {
  batch,
  clockAt,
  crc32,
  gzipOf,
  keepingLogger,
  publishedTarget,
  success,
  swarmDocument,
  targetsDocument,
} from "../support/publications.js";
import { tempFolder } from "../support/temp-folder.js";

const clock = clockAt();
const gzip = gzipOf("x 1\n");

function publicationMember(publication: Publication): TarMember {
  const body = encodePublication(publication).bytes;
  return { name: publicationMemberName(publication, body), body, mtime: clock.now() };
}

function scrapeMember(number: number, body = gzip): TarMember {
  const name = scrapeMemberName({ origin: "node1", job: "web", replica: "1", number }, crc32(body));
  return { name, body, mtime: clock.now() };
}

async function load(...segments: readonly (readonly TarMember[])[]) {
  const folder = tempFolder();
  const paths = segments.map((_, index) => join(folder, `${index}.tar`));
  for (const [index, members] of segments.entries())
    writeFileSync(paths[index]!, Buffer.concat(await encodeMembers(members)));
  const [logger, budget] = [keepingLogger(), new MemoryBudget(1_000_000)];
  const cache = new Cache({ clock, logger, budget, staleAfter: 30, history: 300 });
  const options = { folder, cache, clock, logger, budget, history: 300, maxScrapeBytes: 100_000 };
  const loaded = await loadSegments([...paths, join(folder, "missing.tar")], options);
  return { cache, logger, loaded };
}

describe("loadSegments", () => {
  const document = publicationMember(targetsDocument(5, [publishedTarget()]));

  it("finds the scrapes of a batch in any segment, and reports a file that it cannot open", async () => {
    const attempts = publicationMember(batch(6, [success("docker:1", 3)]));
    const { cache, logger, loaded } = await load([attempts], [scrapeMember(3), scrapeMember(4)], [document]);
    expect(cache.named("web")).toMatchObject([{ number: 3 }]);
    expect(loaded.map(({ scrapes, documents }) => [scrapes.size, documents.size])).toEqual([
      [0, 0],
      [1, 0],
      [0, 1],
      [0, 0],
    ]);
    expect(loaded[0]!.lastBatch).toBe(clock.monotonic());
    expect(logger.lines).toMatchObject([{ level: "warn", message: "cache file skipped" }]);
  });

  it("restores a scrape without samples", async () => {
    const empty = gzipOf("");
    const { outcome, ...attempt } = success("docker:1", 3);
    const attempts = publicationMember(
      batch(6, [{ ...attempt, outcome: { ...outcome, size: 0, samples: 0 } }]),
    );
    const { cache } = await load([document, scrapeMember(3, empty), attempts]);
    expect(cache.named("web")).toMatchObject([{ number: 3, size: 0, samples: 0, gzip: empty }]);
  });

  it("stops waiting for a scrape that is in no segment", async () => {
    const { cache } = await load([document, publicationMember(batch(6, [success("docker:1", 3)]))]);
    expect(cache.feed("node1")!.held).toBe(6);
    expect(cache.named("web")).toEqual([]);
  });

  it("skips a publication that is invalid", async () => {
    const body = gzipOf("{}");
    const invalid = {
      ...document,
      name: publicationMemberName({ origin: "node1", number: 6, kind: "batch" }, body),
      body,
    };
    const { cache } = await load([invalid, document]);
    expect(cache.feed("node1")!.publications()).toHaveLength(1);
  });

  it("decodes only the newest valid document of an origin and a kind", async () => {
    const damaged = publicationMember(targetsDocument(9, [publishedTarget()]));
    damaged.body.fill(0, 20);
    const documents = Array.from({ length: 100 }, (_, index) =>
      publicationMember(
        targetsDocument(index + 10, [publishedTarget({ title: `${index}` })], { origin: "b" }),
      ),
    );
    const parse = vi.spyOn(JSON, "parse");
    onTestFinished(() => parse.mockRestore());
    const { cache } = await load([document, damaged], documents, [publicationMember(swarmDocument(3))]);
    // Each target is parsed separately.
    expect(parse).toHaveBeenCalledTimes(3 + 2);
    expect(cache.feed("node1")!.targetsDocument!.publication.number).toBe(5);
    expect(cache.feed("b")!.targets.map(({ title }) => title)).toEqual(["99"]);
    expect(cache.swarm?.number).toBe(3);
  });
});
