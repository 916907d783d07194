import { z } from "zod";
import { describeError } from "../errors.js";
import type { Logger } from "../logging.js";
import { loadJson, saveJson } from "./json-file.js";
import type { ServiceLabelTable } from "./service-label-table.js";

const fileName = "service-labels.json";
const fileSchema = z.array(z.tuple([z.string(), z.record(z.string(), z.string())]));

/** Fills a table with the labels that an earlier run has kept, if any. */
export async function loadServiceLabels(folder: string, table: ServiceLabelTable): Promise<void> {
  const kept = await loadJson(folder, fileName, fileSchema);
  if (kept !== undefined) table.replace(new Map(kept));
}

/**
 * Keeps a table on disk from now on, each time that it changes, so that a node that starts again scans by the labels
 * of services before it is told them. A disk that fails is told and costs nothing else.
 *
 * @returns what resolves when all that was to be kept is on disk, or has failed.
 */
export function keepServiceLabels(
  folder: string,
  table: ServiceLabelTable,
  logger: Logger,
): () => Promise<void> {
  let saved = Promise.resolve();
  table.onChange(() => {
    const labels = [...table.labels];
    saved = saved
      .then(() => saveJson(folder, fileName, labels))
      .catch((error) => {
        logger.warn("the labels of services cannot be kept on disk", { folder, error: describeError(error) });
      });
  });
  return () => saved;
}
