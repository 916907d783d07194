import { z } from "zod";
import { formatOfContentType } from "../exposition/format.js";
import { isNumber } from "../model/number.js";
import { isEncodableSegment, isPathSegment } from "../model/path-segment.js";

/*
 * Schemas of the values that nodes exchange. They are strict, because names become paths and labels, and a content type
 * becomes a header.
 */

/** One segment of a path; may contain slashes, which are percent-encoded there. */
export const segment = z.string().refine(isEncodableSegment);
/** Name of an origin. */
export const originName = z.string().refine(isPathSegment);
/** Text without control characters and lone surrogates, of at most `length` UTF-16 units. */
export const plainText = (length: number) =>
  z
    .string()
    .max(length)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u);
export const count = z.int().nonnegative();
/** See `model/number.ts`. */
export const publicationNumber = z.custom<number>(isNumber);
/** A duration of at most a thousand years. */
export const milliseconds = z.number().nonnegative().max(32e12);
/** A time that a Date can represent, in milliseconds since the epoch. */
export const moment = z.number().nonnegative().max(8.64e15);
/** Random id of a process. */
export const instanceId = z.string().regex(/^[\x21-\x7e]{1,64}$/);
/** The Content-Type of an exposition. */
export const contentType = z
  .string()
  .max(300)
  .regex(/^[\x20-\x7e]+$/)
  .refine((type) => formatOfContentType(type) !== undefined);
