import { z } from "zod";
import { parseBoundedJson } from "../../archive/bounded-json.js";
import { instanceId, milliseconds, originName, plainText, publicationNumber } from "../../archive/schema.js";
import { PeerError } from "../peer-error.js";

/** The version of the protocol. Each version has its own SSH commands. */
export const protocolVersion = 2;

/** Maximum number of origins in a node's cache. */
export const maxOrigins = 1000;
/** The largest publication, in bytes of compressed JSON. */
export const maxCompressedBytes = 4 * 1024 * 1024;
/** The most scrapes that one message requests. */
export const maxFetched = 1000;

/** The largest JSON of a message is a `have` with all origins: at most 710 bytes and five values for each. */
export const maxJsonBytes = 768 * maxOrigins;
const jsonLimits = { values: 10 * maxOrigins, depth: 8 };
const number = publicationNumber.or(z.literal(0));
const numbers = z.array(publicationNumber).min(1).max(maxFetched);

/** The messages of a link, sent by both ends. Unknown fields are ignored. */
const messageSchema = z.discriminatedUnion("kind", [
  /** The first message; sent again when the role changes. */
  z.object({
    kind: z.literal("hello"),
    protocol: z.literal(protocolVersion),
    origin: originName,
    /** Random id of the process. */
    instance: instanceId,
    /** Whether the node is a Swarm manager. True outside Swarm. */
    manager: z.boolean(),
    /** Id of its Swarm task. */
    task: plainText(100).optional(),
  }),
  /**
   * For each origin: the number up to which its publications are complete, and the age in milliseconds and the process
   * of the newest one. `namesake`: instance id of another node with the receiver's name.
   */
  z.object({
    kind: z.literal("have"),
    origins: z.array(z.tuple([originName, number, milliseconds, instanceId.optional()])).max(maxOrigins),
    namesake: instanceId.optional(),
  }),
  /** Requests all publications of an origin above a number, in order, including future ones. */
  z.object({ kind: z.literal("follow"), origin: originName, above: number }),
  z.object({ kind: z.literal("unfollow"), origin: originName }),
  /** Response to `follow` if the node has enough followers. */
  z.object({ kind: z.literal("refuse"), origin: originName }),
  /** A batch or document; its gzip-compressed JSON is the body of the message. */
  z.object({
    kind: z.literal("publication"),
    origin: originName,
    number: publicationNumber,
    /** Milliseconds since its publication, at the time of sending. */
    age: milliseconds,
  }),
  /** Requests scrapes. Each arrives on the scrape channel, or is listed in `absent`. */
  z.object({ kind: z.literal("fetch"), origin: originName, numbers }),
  /** Requested scrapes that the sender does not have. */
  z.object({ kind: z.literal("absent"), origin: originName, numbers }),
]);
export type Message = z.infer<typeof messageSchema>;
export type MessageOf<K extends Message["kind"]> = Extract<Message, { kind: K }>;

/** @throws PeerError `protocol` */
export function parseMessage(json: Buffer): Message {
  try {
    return messageSchema.parse(parseBoundedJson(json, jsonLimits));
  } catch (cause) {
    throw new PeerError("protocol", "invalid message", { cause });
  }
}
