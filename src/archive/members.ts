import { crc32 } from "node:zlib";
import { isNumber } from "../model/number.js";
import type { Publication, PublicationKind } from "../model/publication.js";
import type { Scrape } from "../model/scrape.js";
import type { TarMember } from "./tar-writer.js";

/*
 * Names of the members of all archives: on disk, between nodes and in exports.
 *
 *     <origin>/<job>/<replica>/<number>-<crc32>.gz            a scrape
 *     <origin>/<number>-<crc32>.<kind>.json.gz                a batch or a document
 *
 * Job and replica are only for readability: shortened, plain characters. If an origin is changed by this, the CRC-32 of
 * its name is appended, because origin and number identify a scrape.
 */

const maxOriginLength = 60;

/** The parts of a member's name. */
export interface MemberName {
  /** The origin in plain characters; see `plainOrigin`. */
  readonly origin: string;
  readonly number: number;
  /** CRC-32 of the body. */
  readonly crc: number;
  /** Absent for a scrape. */
  readonly kind?: PublicationKind;
}

/** The name of a scrape's member. @param crc CRC-32 of its gzip bytes. */
export function scrapeMemberName(
  { origin, job, replica, number }: Pick<Scrape, "origin" | "job" | "replica" | "number">,
  crc: number,
): string {
  return `${plainOrigin(origin)}/${plain(job, 60)}/${plain(replica, 40)}/${number}-${hex(crc)}.gz`;
}

/** The name of the member of a batch or document. @param body its gzip bytes. */
export function publicationMemberName(
  { origin, number, kind }: { origin: string; number: number; kind: PublicationKind },
  body: Buffer,
): string {
  return `${plainOrigin(origin)}/${number}-${hex(crc32(body))}.${kind}.json.gz`;
}

/**
 * A batch or document as a member.
 *
 * @param bytes its gzip-compressed JSON.
 * @param mtime in milliseconds since the epoch.
 */
export function publicationMember(
  { publication, bytes }: { readonly publication: Publication; readonly bytes: Buffer },
  mtime: number,
): TarMember {
  return { name: publicationMemberName(publication, bytes), body: bytes, mtime };
}

/** The origin as it appears in member names. */
export function plainOrigin(origin: string): string {
  const name = plain(origin, maxOriginLength);
  return name === origin ? name : `${name.slice(0, maxOriginLength - 9)}_${hex(crc32(origin))}`;
}

/** The key of a scrape, as in the name of its member. @param origin in full, or as in a member name. */
export function scrapeKey(origin: string, number: number): string {
  return `${plainOrigin(origin)} ${number}`;
}

/** @returns undefined if the name is not valid. */
export function readMemberName(name: string): MemberName | undefined {
  const match =
    /^([^/]+)\/(?:[^/]+\/[^/]+\/)?(\d{1,16})-([0-9a-f]{8})(?:\.(batch|targets|swarm)\.json)?\.gz$/.exec(name);
  if (match === null) return undefined;
  const number = Number(match[2]);
  if (!isNumber(number)) return undefined;
  const kind = match[4] as PublicationKind | undefined;
  return {
    origin: match[1]!,
    number,
    crc: Number.parseInt(match[3]!, 16),
    ...(kind === undefined ? {} : { kind }),
  };
}

function plain(text: string, length: number): string {
  return text
    .replace(/[^A-Za-z0-9._@-]+/g, "_")
    .replace(/^\.+/, "_")
    .slice(0, length);
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}
