import { describe, expect, it } from "vitest";
import { scrapesNamedBy, succeeded, withScrapesUpTo } from "../../src/model/publication.js";
import { batch, failure, publishedTarget, success, targetsDocument } from "../support/publications.js";

const sized = (id: string, number: number, size: number) => {
  const attempt = success(id, number);
  return succeeded(attempt) ? { ...attempt, outcome: { ...attempt.outcome, size } } : attempt;
};

describe("scrapesNamedBy", () => {
  it("lists each scrape once, and no failures", () => {
    expect(
      scrapesNamedBy(batch(1, [success("a", 7), success("b", 7), failure("c"), success("d", 8)])),
    ).toEqual([7, 8]);
  });
});

describe("withScrapesUpTo", () => {
  it("turns scrapes above the size into failures", () => {
    const [small, large] = [sized("docker:1", 7, 1000), sized("docker:2", 8, 1001)];
    const limited = withScrapesUpTo(batch(1, [small, large]), 1000);
    const reason = "exposition exceeds SCRAPE_MAX_BYTES of this node, 1000";
    expect(limited).toEqual(batch(1, [small, { ...large, outcome: { reason } }]));
  });

  it("also limits another attempt that names a small scrape", () => {
    const limited = withScrapesUpTo(
      batch(1, [sized("docker:1", 7, 10), sized("docker:2", 7, 2 ** 40)]),
      1000,
    );
    expect(limited).toMatchObject({
      attempts: [{ outcome: { number: 7 } }, { outcome: { reason: expect.stringContaining("exceeds") } }],
    });
  });

  it("returns other publications unchanged", () => {
    for (const publication of [
      batch(1, [success("docker:1", 7), failure("docker:2")]),
      targetsDocument(2, [publishedTarget()]),
    ]) {
      expect(withScrapesUpTo(publication, 1000)).toBe(publication);
    }
  });
});
