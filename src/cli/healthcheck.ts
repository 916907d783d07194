import { type ClientRequest, get as getPlain, type IncomingMessage, type RequestOptions } from "node:http";
import type { Config } from "../config/config.js";
import { AppError, codeOf } from "../errors.js";
import { formatHostPort } from "../model/host-port.js";

const timeout = 3000;

/**
 * Asks the proxy that runs beside this process whether it is healthy; made for an image's HEALTHCHECK.
 *
 * Where there may be TLS it is tried first, without looking at the certificate: it is for names that Prometheus uses.
 * A proxy that wants a certificate from its clients turns this one away; that it comes to answer a handshake tells
 * as much as `/-/healthy` does, which is that the process answers.
 *
 * @throws AppError where it is not, or does not answer within 3 s.
 */
export async function healthcheck(config: Config): Promise<void> {
  const { host, port } = config.listen;
  const place = `${formatHostPort({ host: loopbackFor(host), port })}/-/healthy`;
  const signal = AbortSignal.timeout(timeout);
  try {
    const answer =
      config.webConfigFile === undefined
        ? await askPlainly(`http://${place}`, signal)
        : ((await askByTls(`https://${place}`, signal)) ?? (await askPlainly(`http://${place}`, signal)));
    if (answer !== 200 && answer !== "turned away") throw new AppError(`it answered with status ${answer}`);
  } catch (cause) {
    throw new AppError(`not healthy: ${place}`, { cause });
  }
}

type Answer = number | "turned away" | undefined;

// node:http is there already, where a client library would cost half a second of CPU at every check.
function askPlainly(url: string, signal: AbortSignal): Promise<Answer> {
  return ask((options, heard) => getPlain(url, options, heard), signal);
}

/** Undefined where no TLS is spoken. */
async function askByTls(url: string, signal: AbortSignal): Promise<Answer> {
  const { get } = await import("node:https");
  let exchangedKeys = false;
  try {
    return await ask((options, heard) => {
      const request = get(url, { ...options, rejectUnauthorized: false }, heard);
      return request.on("socket", (socket) => socket.once("keylog", () => (exchangedKeys = true)));
    }, signal);
  } catch (error) {
    const code = codeOf(error) ?? "";
    const refused = /alert/i.test(`${code} ${(error as Error).message}`);
    // The refusal is an alert or just the end of the connection, by version and by what is wanted.
    if (refused || (exchangedKeys && code === "ECONNRESET")) return "turned away";
    if (/^EPROTO$|WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/.test(code)) return undefined;
    throw error;
  }
}

type Get = (options: RequestOptions, heard: (response: IncomingMessage) => void) => ClientRequest;

function ask(get: Get, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get({ agent: false, signal }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("error", reject);
  });
}

/** Where a server that listens on `host` is reached from its own machine. */
function loopbackFor(host: string | undefined): string {
  if (host === undefined || host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}
