import type { Response } from "express";

/** Answers with a short text in one line, as a person with curl wants to read it. */
export function sendText(response: Response, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(`${text}\n`);
}

/** An exposition as it goes out. */
export interface ExpositionBody {
  readonly contentType: string;
  /** Seconds since the scrape; of several sources the oldest counts. */
  readonly age: number;
  readonly gzipped: boolean;
  readonly body: Buffer;
}

/** Answers with a whole exposition. */
export function sendExposition(
  response: Response,
  { contentType, age, gzipped, body }: ExpositionBody,
): void {
  response.statusCode = 200;
  response.setHeader("Content-Type", contentType);
  response.setHeader("Age", String(Math.floor(age)));
  response.setHeader("Vary", "Accept, Accept-Encoding");
  if (gzipped) response.setHeader("Content-Encoding", "gzip");
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
