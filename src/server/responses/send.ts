import type { ServerResponse } from "node:http";
import type { Request, Response } from "express";
import { printableJson, printableLines } from "../../printable.js";

/** Sends plain text, printable in a terminal, with a line feed at the end. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(`${printableLines(text)}\n`);
}

/** Sends JSON, printable in a terminal. */
export function sendJson(response: Response, value: unknown): void {
  response.type("json").send(printableJson(value));
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

/** Whether a client accepts gzip. Without an Accept-Encoding it does not, although RFC 9110 allows it: curl would print it. */
export function acceptsGzip(request: Request): boolean {
  // What Prometheus sends, at a fraction of the time.
  if (request.headers["accept-encoding"] === "gzip") return true;
  return request.acceptsEncodings("gzip") !== false;
}

/** All values of a parameter in the query of a URL. Express' parser ignores everything after 1,000 parameters. */
export function queryValues(url: string, name: string): string[] {
  const query = url.indexOf("?");
  return query < 0 ? [] : new URLSearchParams(url.slice(query)).getAll(name);
}
