import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { attempt } from "./attempt.js";
import { corpusFiles, corpusFolder } from "./corpus.js";
import type { Subject } from "./subject.js";

const files = readdirSync(join(import.meta.dirname, "subjects"));
const subjects = await Promise.all(
  files.map(async (file): Promise<Subject> => (await import(`./subjects/${file}`)).subject),
);

describe.each(subjects.map((subject) => [subject.name, subject] as const))("%s", (name, subject) => {
  it.each(corpusFiles(name).map(({ file, input }) => [file, input] as const))(
    "keeps its laws for what once broke one: %s",
    async (_, input) => {
      // As fuzzing does it: an input that keeps the process busy for long is a failure, too.
      expect((await attempt(subject, input)).fault).toBeUndefined();
    },
  );

  it("keeps its laws for the inputs that fuzzing begins with", async () => {
    for (const seed of await subject.seeds()) await subject.check(Buffer.from(seed));
  });
});

describe("the corpus", () => {
  it("has a folder for none but the subjects, which are called like their files", () => {
    expect(subjects.map(({ name }) => `${name}.ts`)).toEqual(files);
    expect(subjects.map(({ name }) => name)).toEqual(expect.arrayContaining(readdirSync(corpusFolder)));
  });
});
