import { deflateRawSync, inflateRawSync } from "node:zlib";
import { z } from "zod";
import { isPathSegment } from "../model/path-segment.js";
import { maxEpoch } from "../model/version.js";
import { PeerError } from "./peer-error.js";
import { sequenceListSchema } from "./sequence-list.js";

/*
 * An exchange is up to two questions of the one who began it, over a channel that stays open:
 *
 *     ask  →  have      what the other side holds of each origin, and in which state
 *     plan →  answer    what either side gives and wants; then the sections that were wanted, both ways at once
 *
 * A section is what one side knows newer of one origin. A light one, without entries, is given at once; a heavy
 * one is offered, wanted (or not, as when another peer is already sending the same) and then sent: a message
 * `section`, and batches until all its entries are there. Who began says `sent` after its last one, and hears
 * `taken` when the other side has them.
 */

/** Origins and renewals that one message may speak of: for each of 2,000 origins there are up to four. */
const mostParts = 10_000;

const count = z.int().nonnegative();
const epoch = count.max(maxEpoch);
const originName = z.string().refine(isPathSegment);
/** Milliseconds, not above a thousand years. */
const milliseconds = z.number().nonnegative().max(32e12);

/** Origin, epoch, sequence, and the digest of the entries that are held of it. */
const holdingSchema = z.tuple([originName, epoch, count, count]);
export type HoldingTuple = z.infer<typeof holdingSchema>;

const renewalSchema = z.object({
  /** Time of the scrape by the origin's clock, and its age, in milliseconds. */
  at: milliseconds,
  age: milliseconds,
  /** The sequences of the entries that are renewed: these, or all up to the base but these. */
  only: sequenceListSchema.optional(),
  except: sequenceListSchema.optional(),
});

const sectionSchema = z.object({
  origin: originName,
  epoch,
  /** The origin's sequence when this is taken in. */
  sequence: count,
  /** What the receiver has of this epoch already: only entries above it follow. */
  base: count,
  /** How long ago the origin published this, in milliseconds. */
  heard: milliseconds,
  /** Sequences up to the base that the origin still lists; absent where the receiver's digest says that it knows. */
  kept: sequenceListSchema.optional(),
  renewals: z.array(renewalSchema).optional(),
  /** How many entries follow. */
  entries: count.optional(),
  /** `host:port` under which the origin's HTTP is reached. */
  advertise: z.string().max(300).optional(),
});
export type Section = z.infer<typeof sectionSchema>;
export type Renewal = z.infer<typeof renewalSchema>;

/** Checked by hand, like lists of sequences: there may be many. */
const labelsSchema = z.custom<[id: string, labels: Record<string, string>][]>(
  (list) => Array.isArray(list) && list.every(isLabelsOfService),
);

function isLabelsOfService(item: unknown): boolean {
  if (!Array.isArray(item) || item.length !== 2) return false;
  const [id, labels] = item as unknown[];
  if (typeof id !== "string" || id.length > 100) return false;
  if (typeof labels !== "object" || labels === null || Array.isArray(labels)) return false;
  return Object.values(labels).every((value) => typeof value === "string");
}

const messageSchema = z.discriminatedUnion("kind", [
  /** The first message of either side. */
  z.object({
    kind: z.literal("hello"),
    protocol: z.literal(1),
    /** A random name of the process: tells a peer from oneself. */
    instance: z.string().min(1).max(64),
    origin: originName,
  }),
  z.object({ kind: z.literal("ask"), manager: z.boolean() }),
  z.object({
    kind: z.literal("have"),
    manager: z.boolean(),
    have: z.array(holdingSchema),
    /** Digest of the service labels that it knows; absent where it knows none. */
    labels: z.string().max(64).optional(),
  }),
  z.object({
    kind: z.literal("plan"),
    /** What is held of the other side's own origin, epoch and sequence, where that is ahead of what it says. */
    raise: z.tuple([epoch, count]).optional(),
    light: z.array(sectionSchema),
    offer: z.array(originName),
    want: z.array(holdingSchema),
    /** What a manager knows of the labels of services, where the other side does not: by service id. */
    labels: labelsSchema.optional(),
  }),
  z.object({
    kind: z.literal("answer"),
    light: z.array(sectionSchema),
    /** How many sections follow. */
    heavy: count,
    want: z.array(holdingSchema),
  }),
  z.object({ kind: z.literal("section"), section: sectionSchema }),
  z.object({ kind: z.literal("sent") }),
  z.object({ kind: z.literal("taken") }),
]);
export type Message = z.infer<typeof messageSchema>;
export type MessageOf<K extends Message["kind"]> = Extract<Message, { kind: K }>;

/** The payload of a control message: JSON, deflated. */
export function encodeMessage(message: Message): Buffer {
  return deflateRawSync(JSON.stringify(message));
}

/**
 * Inflates the payload of a control message.
 *
 * @param maxBytes its inflated size at most.
 * @throws PeerError `protocol`, or `limit` where it is too long.
 */
export function inflateMessage(payload: Buffer, maxBytes: number): Buffer {
  try {
    return inflateRawSync(payload, { maxOutputLength: maxBytes });
  } catch (cause) {
    const tooLong = cause instanceof RangeError;
    throw new PeerError(
      tooLong ? "limit" : "protocol",
      tooLong ? `it sends a message of over ${maxBytes} bytes` : "it sends a message that cannot be inflated",
      { cause },
    );
  }
}

/**
 * Reads an inflated control message.
 *
 * @throws PeerError `protocol`, or `limit` where it has more parts than are looked at.
 */
export function parseMessage(json: Buffer): Message {
  try {
    const raw: unknown = JSON.parse(json.toString("utf8"));
    checkParts(raw);
    return messageSchema.parse(raw);
  } catch (cause) {
    if (cause instanceof PeerError) throw cause;
    throw new PeerError("protocol", "it sends a message that is not understood", { cause });
  }
}

/** What zod looks at one by one, some 10 µs each, is counted before. */
function checkParts(raw: unknown): void {
  if (typeof raw !== "object" || raw === null) return;
  const { light, offer, want, have, section } = raw as Record<string, unknown>;
  const sections = [...(Array.isArray(light) ? light : []), section];
  const renewals = sections.map((one) => (one as { renewals?: unknown } | null | undefined)?.renewals);
  const parts = [light, offer, want, have, ...renewals].filter((list) => Array.isArray(list));
  const count = parts.reduce((sum, list) => sum + list.length, 0);
  if (count > mostParts) throw new PeerError("limit", `it sends a message of ${count} parts`);
}
