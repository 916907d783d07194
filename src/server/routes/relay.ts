import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, gunzipSync } from "node:zlib";
import type { IRouter, Request, Response } from "express";
import type { Scraped } from "../../fetch/read-answer.js";
import type { ServerContext } from "../context.js";
import type { Relay } from "../relay/relay.js";
import { RelayError } from "../relay/relay-error.js";
import { sendText, takesGzip } from "../responses/send.js";

/** What is inflated in one go. */
const wholeInflatedBytes = 1024 * 1024;

/**
 * `/relay?target=http://host:port/path`: the exposition of the target as it is now, past the cache, in the
 * multi-target pattern of Prometheus.
 */
export function relayRoute(router: IRouter, { relay, telemetry, logger }: ServerContext): void {
  router.get("/relay", async (request: Request, response: Response) => {
    if (relay === undefined) {
      sendText(response, 404, "the relay is off: the setting RELAY_ALLOW turns it on");
      return;
    }
    const ended = measure(response, telemetry);
    try {
      await answer(relay, request, response, ended);
    } catch (error) {
      if (response.destroyed || response.headersSent) response.destroy();
      else if (error instanceof RelayError) {
        // Prometheus shows the status only.
        logger.debug("a request at the relay was refused or failed", {
          status: error.status,
          reason: error.message,
        });
        sendText(response, error.status, error.message);
      } else throw error;
    }
  });

  async function answer(relay: Relay, request: Request, response: Response, ended: AbortSignal) {
    const place = relay.enter();
    ended.addEventListener("abort", () => place.leave(), { once: true });
    const scraped = await place.ask({
      targets: targetsOf(request.url),
      accept: request.headers.accept,
      timeout: headerText(request, "x-prometheus-scrape-timeout-seconds"),
      userAgent: request.headers["user-agent"],
      signal: ended,
    });
    telemetry.relaySize.observe(scraped.size);
    const cut = setTimeout(() => response.destroy(), relay.sendTimeout * 1000).unref();
    ended.addEventListener("abort", () => clearTimeout(cut), { once: true });
    await send(response, scraped, takesGzip(request.headers["accept-encoding"]));
  }
}

/** Counts a request when it is over. @returns a signal that aborts then, or when the client leaves. */
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
  else if (size <= wholeInflatedBytes) response.end(gunzipSync(gzip, { maxOutputLength: Math.max(size, 1) }));
  // Piece by piece, so that the answers of all clients together stay as small as they were kept.
  else await pipeline(Readable.from([gzip]), createGunzip(), response);
}

/** Every value of the parameter `target`; others do not count. */
function targetsOf(url: string): string[] {
  const query = url.indexOf("?");
  return query < 0 ? [] : new URLSearchParams(url.slice(query)).getAll("target");
}

function headerText(request: Request, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
