import type { ServerResponse } from "node:http";

/** Sends one line of plain text. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(`${text}\n`);
}

/** An exposition, ready to be sent. */
export interface ExpositionBody {
  readonly contentType: string;
  /** Seconds since the scrape, or since the oldest of several. */
  readonly age: number;
  readonly gzipped: boolean;
  readonly body: Buffer;
}

/** Sends a whole exposition. */
export function sendExposition(
  response: ServerResponse,
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
 * Whether a client accepts gzip, according to its Accept-Encoding (RFC 9110 12.5.3): the weight of gzip itself, else
 * that of `*`. A client that sends no such header gets no gzip, although the RFC allows it: curl would print it.
 */
export function acceptsGzip(header: string | string[] | undefined): boolean {
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
