import { promisify } from "node:util";
import { constants, gunzip, gzipSync } from "node:zlib";
import { z } from "zod";
import { AppError } from "../errors.js";
import type {
  Batch,
  Publication,
  PublishedTarget,
  SwarmDocument,
  SwarmService,
  TargetsDocument,
} from "../model/publication.js";
import { targetStates } from "../model/target-status.js";
import { columnsSchema, readColumns, writeColumns } from "./batch-columns.js";
import { parseBoundedJson } from "./bounded-json.js";
import { count, instanceId, moment, originName, plainText, publicationNumber, segment } from "./schema.js";

/** A publication that does not pass the schema. */
export class InvalidPublicationError extends AppError {}

/** The largest publication, in bytes of JSON. */
export const maxPublicationBytes = 8 * 1024 * 1024;
/** No publication within the size has more values: a label takes at least seven bytes. */
const jsonLimits = { values: maxPublicationBytes / 6, depth: 8 };
/** The most targets of one origin. */
export const maxTargets = 20_000;

const header = { origin: originName, number: publicationNumber, instance: instanceId, time: moment };

const targetSchema = z.object({
  id: plainText(500).min(1),
  title: plainText(500),
  image: plainText(1000).optional(),
  names: z.array(segment).min(1).max(8),
  job: segment,
  replica: segment,
  scope: z.enum(["replicated", "global", "local"]),
  stack: plainText(300).optional(),
  labels: z.record(z.string().max(1000), z.string().max(65_536)),
  startedAt: moment,
  firstSeen: moment.optional(),
  state: z.enum([...targetStates, "gone"]),
  reason: plainText(4000).optional(),
  since: moment,
  url: plainText(4000).optional(),
});

const serviceSchema = z.object({
  id: plainText(100),
  name: plainText(300),
  labels: z.record(z.string().max(1000), z.string().max(65_536)),
  replicas: count.optional(),
});

const taskSchema = z.object({
  id: plainText(100).min(1),
  node: plainText(100),
  addresses: z.array(plainText(100)).max(20),
});

const publicationSchema = z.discriminatedUnion("kind", [
  z.object({ ...header, kind: z.literal("batch"), local: z.boolean().optional(), attempts: columnsSchema }),
  z.object({
    ...header,
    kind: z.literal("targets"),
    advertise: plainText(300).optional(),
    targets: z.array(targetSchema).max(maxTargets),
  }),
  z.object({
    ...header,
    kind: z.literal("swarm"),
    services: z.array(serviceSchema).max(10_000),
    tasks: z.array(taskSchema).max(10_000),
  }),
]);

const inflate = promisify(gunzip);

/** A publication as gzip-compressed JSON, and the size of the JSON in bytes. */
export function encodePublication(publication: Publication): {
  readonly bytes: Buffer;
  readonly size: number;
} {
  const json =
    publication.kind === "batch"
      ? { ...publication, attempts: writeColumns(publication.attempts) }
      : publication;
  const text = Buffer.from(JSON.stringify(json));
  // Columns of numbers rarely repeat: with Huffman coding alone they are a seventh smaller.
  const options =
    publication.kind === "batch" ? { strategy: constants.Z_FILTERED } : { level: constants.Z_BEST_SPEED };
  return { bytes: gzipSync(text, options), size: text.length };
}

/**
 * Reads what `encodePublication` wrote.
 *
 * @throws InvalidPublicationError
 */
export async function decodePublication(
  bytes: Buffer,
): Promise<{ readonly publication: Publication; readonly size: number }> {
  try {
    const json = await inflate(bytes, { maxOutputLength: maxPublicationBytes });
    const raw = publicationSchema.parse(parseBoundedJson(json, jsonLimits));
    const size = json.length;
    if (raw.kind !== "batch") return { publication: raw as TargetsDocument | SwarmDocument, size };
    const attempts = readColumns(raw.attempts);
    if (attempts === undefined) throw new Error("attempts: inconsistent columns");
    return { publication: { ...raw, attempts } as Batch, size };
  } catch (cause) {
    throw new InvalidPublicationError(`invalid publication: ${describe(cause)}`, { cause });
  }
}

/** Why receivers would reject a target; undefined if they accept it. */
export function faultOfTarget(target: PublishedTarget): string | undefined {
  return faultOf(targetSchema, target);
}

/** Why receivers would reject a service; undefined if they accept it. */
export function faultOfService(service: SwarmService): string | undefined {
  return faultOf(serviceSchema, service);
}

function faultOf(schema: z.ZodType, value: unknown): string | undefined {
  const { success, error } = schema.safeParse(value);
  return success ? undefined : describe(error);
}

function describe(error: unknown): string {
  if (!(error instanceof z.ZodError)) return error instanceof Error ? error.message : String(error);
  const [issue] = error.issues;
  return `${issue?.path.join(".")}: ${issue?.message}`;
}
