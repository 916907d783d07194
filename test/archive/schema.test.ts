import { describe, expect, it } from "vitest";
import type { ZodType } from "zod";
import {
  contentType,
  count,
  instanceId,
  milliseconds,
  moment,
  originName,
  plainText,
  publicationNumber,
  segment,
} from "../../src/archive/schema.js";

const cases: [string, ZodType, readonly unknown[], readonly unknown[]][] = [
  [
    "segment",
    segment,
    ["web", "a/b", "ö", "..a", "x".repeat(200)],
    ["", ".", "..", "-", "a\nb", "\ud800", "x".repeat(201), 1],
  ],
  ["originName", originName, ["node1", "node1@:80"], ["a/b", "", "..", "a\0", null]],
  ["plainText", plainText(3), ["", "abc", "ö"], ["abcd", "a\n", "\ud800", 1]],
  ["count", count, [0, 2 ** 53 - 1], [-1, 0.5, 2 ** 53, Number.NaN, "1"]],
  [
    "publicationNumber",
    publicationNumber,
    [1, 2 ** 52 - 1],
    [0, -1, 0.5, 2 ** 52, Number.POSITIVE_INFINITY, "1", null],
  ],
  ["milliseconds", milliseconds, [0, 0.5, 32e12], [-1, 33e12, Number.NaN, Number.POSITIVE_INFINITY]],
  ["moment", moment, [0, 8.64e15], [-1, 8.65e15, Number.NaN]],
  ["instanceId", instanceId, ["a", "~".repeat(64)], ["", "a b", "a\n", "x".repeat(65), "ö"]],
  [
    "contentType",
    contentType,
    ["text/plain", "text/plain; version=0.0.4; charset=utf-8", "application/openmetrics-text; version=1.0.0"],
    ["", "text/html", "text/plain\r\nSet-Cookie: a=b", "text/plain; x=ö", `text/plain; a=${"b".repeat(300)}`],
  ],
];

describe.each(cases)("%s", (_, schema, valid, invalid) => {
  it.each(valid.map((value) => [value]))("accepts %j", (value) => {
    expect(schema.safeParse(value).success).toBe(true);
  });

  it.each(invalid.map((value) => [value]))("rejects %j", (value) => {
    expect(schema.safeParse(value).success).toBe(false);
  });
});
