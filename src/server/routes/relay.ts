import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, gunzipSync } from "node:zlib";
import type { IRouter, Request, Response } from "express";
import type { Scraped } from "../../fetch/read-response.js";
import type { ServerContext } from "../context.js";
import type { Relay } from "../relay/relay.js";
import { RelayError } from "../relay/relay-error.js";
import { acceptsGzip, queryValues, sendText } from "../responses/send.js";

/** Up to this size a body is inflated on the main thread. */
const maxInlineBytes = 1024 * 1024;

/**
 * `/relay?target=http://host:port/path`: scrapes the target now, without the cache (Prometheus' multi-target exporter
 * pattern).
 */
export function relayRoute(router: IRouter, { relay, telemetry, logger }: ServerContext): void {
  router.get("/relay", async (request: Request, response: Response) => {
    if (relay === undefined)
      return sendText(response, 404, "the relay is disabled; set RELAY_ALLOW to enable it");
    const ended = measure(response, telemetry);
    try {
      await respond(relay, request, response, ended);
    } catch (error) {
      if (response.destroyed || response.headersSent) response.destroy();
      else if (error instanceof RelayError) {
        // Logged because Prometheus shows only the status.
        logger.debug("relay request failed", { status: error.status, reason: error.message });
        sendText(response, error.status, error.message);
      } else throw error;
    }
  });

  async function respond(relay: Relay, request: Request, response: Response, ended: AbortSignal) {
    const scraped = await relay.fetch({
      targets: queryValues(request.url, "target"),
      accept: request.get("accept"),
      timeout: request.get("x-prometheus-scrape-timeout-seconds"),
      userAgent: request.get("user-agent"),
      signal: ended,
    });
    telemetry.relaySize.observe(scraped.size);
    const timeout = setTimeout(() => response.destroy(), relay.sendTimeout * 1000).unref();
    ended.addEventListener("abort", () => clearTimeout(timeout), { once: true });
    await send(response, scraped, acceptsGzip(request));
  }
}

/** Records the metrics of a request. @returns a signal that aborts when it ends or the client disconnects. */
function measure(response: Response, telemetry: ServerContext["telemetry"]): AbortSignal {
  const begun = performance.now();
  const ended = new AbortController();
  telemetry.relayInFlight.inc();
  response.on("close", () => {
    telemetry.relayInFlight.dec();
    telemetry.relayRequests.inc({ code: response.writableFinished ? response.statusCode : "aborted" });
    telemetry.relayDuration.observe((performance.now() - begun) / 1000);
    ended.abort();
  });
  return ended.signal;
}

async function send(response: Response, scraped: Scraped, gzipped: boolean): Promise<void> {
  const { gzip, contentType, size } = scraped;
  response.statusCode = 200;
  response.setHeader("Content-Type", contentType);
  response.setHeader("Vary", "Accept, Accept-Encoding");
  response.setHeader("Content-Length", gzipped ? gzip.length : size);
  if (gzipped) response.setHeader("Content-Encoding", "gzip");
  if (response.req.method === "HEAD") response.end();
  else if (gzipped) response.end(gzip);
  else if (size <= maxInlineBytes) response.end(gunzipSync(gzip, { maxOutputLength: Math.max(size, 1) }));
  // In chunks, so that only the compressed bodies are in memory, even with many clients.
  else await pipeline(Readable.from([gzip]), createGunzip(), response);
}
