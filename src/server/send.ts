import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { Request, Response } from "express";
import { ageOf, type Entry } from "../model/entry.js";

const inflate = promisify(gunzip);

/** Answers with a short text in one line, as a person with curl wants to read it. */
export function sendText(response: Response, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(`${text}\n`);
}

/** Answers with an entry's exposition as it came: the cached gzip bytes, or inflated for who takes no gzip. */
export async function sendEntry(
  request: Request,
  response: Response,
  entry: Entry,
  monotonic: number,
): Promise<void> {
  response.statusCode = 200;
  response.setHeader("Content-Type", entry.contentType);
  response.setHeader("Age", String(Math.floor(ageOf(entry, monotonic))));
  response.setHeader("Vary", "Accept-Encoding");
  let body = entry.gzip;
  if (takesGzip(request.headers["accept-encoding"])) response.setHeader("Content-Encoding", "gzip");
  else body = await inflate(entry.gzip, { maxOutputLength: entry.size });
  response.setHeader("Content-Length", body.length);
  response.end(body);
}

/**
 * Whether a client takes gzip, by its Accept-Encoding (RFC 9110 12.5.3): the coding's own weight, else that of `*`.
 * Without the header we do not send gzip, though we might: plain curl prints what it gets.
 */
export function takesGzip(header: string | string[] | undefined): boolean {
  if (header === undefined) return false;
  if (header === "gzip") return true;
  let wildcard = false;
  for (const part of String(header).split(",")) {
    const [coding, ...parameters] = part.split(";").map((piece) => piece.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    const accepted = weight === undefined || Number(weight.slice(2)) > 0;
    if (coding === "gzip" || coding === "x-gzip") return accepted;
    if (coding === "*") wildcard = accepted;
  }
  return wildcard;
}
