import { promisify } from "node:util";
import { constants, gunzip, gzipSync } from "node:zlib";
import { z } from "zod";
import { AppError } from "../errors.js";
import type { Steps } from "../exposition/steps.js";
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
import { count, instanceId, moment, originName, plainText, publicationNumber, segment } from "./schema.js";
import { splitJson } from "./split-json.js";

/** A publication that does not pass the schema. */
export class InvalidPublicationError extends AppError {}

/** The largest publication, in bytes of JSON. */
export const maxPublicationBytes = 8 * 1024 * 1024;
/** No publication within the size has more values: a label takes at least seven bytes. */
const jsonLimits = { values: maxPublicationBytes / 6, depth: 8 };
/** The most targets of one origin. */
export const maxTargets = 5000;
/** The most services, and tasks, of a swarm. */
const maxServices = 10_000;

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

/** See `splitJson`: the elements are parsed one by one. */
const splitArray = z.tuple([z.number()]);

const publicationSchema = z.discriminatedUnion("kind", [
  z.object({ ...header, kind: z.literal("batch"), local: z.boolean().optional(), attempts: columnsSchema }),
  z.object({
    ...header,
    kind: z.literal("targets"),
    advertise: plainText(300).optional(),
    targets: splitArray,
  }),
  z.object({
    ...header,
    kind: z.literal("swarm"),
    services: splitArray,
    tasks: splitArray,
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

/** The size of the JSON, as the gzip stream states it (RFC 1952, 2.3.1). */
export function statedSize(bytes: Buffer): number {
  return bytes.length < 4 ? 0 : bytes.readUInt32LE(bytes.length - 4);
}

/** The JSON of a publication. @throws InvalidPublicationError if it is too large, or larger than stated. */
export async function inflatePublication(bytes: Buffer): Promise<Buffer> {
  const size = statedSize(bytes);
  try {
    if (size > maxPublicationBytes) throw new Error(`${size} bytes of JSON`);
    return await inflate(bytes, { maxOutputLength: Math.max(size, 1) });
  } catch (cause) {
    throw new InvalidPublicationError(`invalid publication: ${describe(cause)}`, { cause });
  }
}

/**
 * Reads the JSON of a publication.
 *
 * @throws InvalidPublicationError
 */
export function* readPublication(json: Buffer): Steps<Publication> {
  try {
    const { object, arrays } = yield* splitJson(json, jsonLimits);
    const raw = publicationSchema.parse(object);
    const read = <T>(key: string, schema: z.ZodType<T>, most: number, [index]: [number]) =>
      readElements(key, schema, most, arrays[index]!);
    if (raw.kind === "targets") {
      const targets = yield* read("targets", targetSchema, maxTargets, raw.targets);
      return { ...raw, targets } as TargetsDocument;
    }
    if (raw.kind === "swarm") {
      const services = yield* read("services", serviceSchema, maxServices, raw.services);
      const tasks = yield* read("tasks", taskSchema, maxServices, raw.tasks);
      return { ...raw, services, tasks } as SwarmDocument;
    }
    const attempts = readColumns(raw.attempts);
    if (attempts === undefined) throw new Error("attempts: inconsistent columns");
    return { ...raw, attempts } as Batch;
  } catch (cause) {
    throw new InvalidPublicationError(`invalid publication: ${describe(cause)}`, { cause });
  }
}

function* readElements<T>(
  key: string,
  schema: z.ZodType<T>,
  most: number,
  elements: readonly Buffer[],
): Steps<T[]> {
  if (elements.length > most) throw new Error(`${key}: more than ${most}`);
  const read: T[] = [];
  for (const element of elements) {
    const { data, error } = schema.safeParse(JSON.parse(element.toString("utf8")));
    if (error !== undefined) throw new Error(`${key}.${read.length}.${describe(error)}`);
    read.push(data);
    yield;
  }
  return read;
}

/**
 * Reads what `encodePublication` wrote, at once.
 *
 * @throws InvalidPublicationError
 */
export async function decodePublication(
  bytes: Buffer,
): Promise<{ readonly publication: Publication; readonly size: number }> {
  const json = await inflatePublication(bytes);
  const steps = readPublication(json);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return { publication: value, size: json.length };
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
