import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { keepServiceLabels, loadServiceLabels } from "../../src/cache/service-label-file.js";
import { ServiceLabelTable } from "../../src/cache/service-label-table.js";
import { silentLogger } from "../../src/logging.js";
import { tempFolder } from "../support/temp-folder.js";

const labels = (port: string) => new Map([["service1", { "metrics.port": port }]]);

describe("the labels of services", () => {
  it("are there again, with their digest, after a restart: the last that were told", async () => {
    const folder = join(tempFolder(), "cache");
    const table = new ServiceLabelTable();
    const kept = keepServiceLabels(folder, table, silentLogger);
    for (const port of ["1", "2", "3"]) table.replace(labels(port));
    await kept();
    const again = new ServiceLabelTable();
    await loadServiceLabels(folder, again);
    expect(again.labels).toEqual(labels("3"));
    expect(again.digest).toBe(table.digest);
  });

  it("are unknown where there is no file, or a damaged one", async () => {
    const folder = tempFolder();
    const table = new ServiceLabelTable();
    await loadServiceLabels(folder, table);
    writeFileSync(join(folder, "service-labels.json"), '[["service1",{"a":1}]]');
    await loadServiceLabels(folder, table);
    expect(table).toMatchObject({ labels: new Map(), digest: "" });
  });

  it("count all the same where the disk fails, which is told", async () => {
    const file = join(tempFolder(), "file");
    writeFileSync(file, "");
    const table = new ServiceLabelTable();
    const told: string[] = [];
    const kept = keepServiceLabels(file, table, {
      ...silentLogger,
      warn: (message) => void told.push(message),
    });
    table.replace(labels("1"));
    await kept();
    expect(table.labels).toEqual(labels("1"));
    expect(told).toEqual(["the labels of services cannot be kept on disk"]);
  });
});
