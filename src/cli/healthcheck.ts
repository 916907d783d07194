import { type ClientRequest, get as getPlain } from "node:http";
import type { Config } from "../config/config.js";
import { AppError, codeOf } from "../errors.js";
import { formatHostPort } from "../model/host-port.js";

const timeout = 3000;

/**
 * Requests `/-/healthy` of the proxy on this machine; for the HEALTHCHECK of an image.
 *
 * With a web configuration, tries TLS first. Does not verify the certificate, which is for the host names that Prometheus
 * uses. A proxy that requires a client certificate rejects the handshake. This shows that the process responds, which is
 * all that `/-/healthy` shows, and counts as healthy.
 *
 * @throws AppError if the proxy is unhealthy or does not respond within 3 s.
 */
export async function healthcheck(config: Config): Promise<void> {
  const { host, port } = config.listen;
  const place = `${formatHostPort({ host: loopbackFor(host), port })}/-/healthy`;
  const signal = AbortSignal.timeout(timeout);
  try {
    const outcome =
      config.webConfigFile === undefined
        ? await requestPlain(`http://${place}`, signal)
        : ((await requestWithTls(`https://${place}`, signal)) ??
          (await requestPlain(`http://${place}`, signal)));
    if (outcome !== 200 && outcome !== "rejected") throw new AppError(`the response has status ${outcome}`);
  } catch (cause) {
    throw new AppError(`unhealthy: ${place}`, { cause });
  }
}

/** A status, or that the TLS handshake was rejected, or undefined if the server does not use TLS. */
type Outcome = number | "rejected" | undefined;

// Loading an HTTP client library instead of node:http would cost half a second of CPU time per check.
function requestPlain(url: string, signal: AbortSignal): Promise<Outcome> {
  return outcomeOf(getPlain(url, { agent: false, signal }));
}

async function requestWithTls(url: string, signal: AbortSignal): Promise<Outcome> {
  const { get } = await import("node:https");
  let exchangedKeys = false;
  try {
    const request = get(url, { agent: false, signal, rejectUnauthorized: false });
    request.on("socket", (socket) => socket.once("keylog", () => (exchangedKeys = true)));
    return await outcomeOf(request);
  } catch (error) {
    const code = codeOf(error) ?? "";
    const rejected = /alert/i.test(`${code} ${(error as Error).message}`);
    // Depending on the TLS version and the cause, the server sends an alert or only closes the connection.
    if (rejected || (exchangedKeys && code === "ECONNRESET")) return "rejected";
    if (/^EPROTO$|WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/.test(code)) return undefined;
    throw error;
  }
}

function outcomeOf(request: ClientRequest): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      response.resume();
      resolve(response.statusCode);
    });
  });
}

/** The address at which this machine reaches a server that listens on `host`. */
function loopbackFor(host: string | undefined): string {
  if (host === undefined || host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}
