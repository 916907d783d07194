import { get } from "node:http";
import type { Config } from "../config/config.js";
import { AppError } from "../errors.js";

const timeout = 3000;

/**
 * Asks the proxy that runs beside this process whether it is healthy; made for an image's HEALTHCHECK.
 *
 * @throws AppError where it is not, or does not answer within 3 s.
 */
export async function healthcheck(config: Config): Promise<void> {
  const { host, port } = config.listen;
  const url = `http://${loopbackFor(host)}:${port}/-/healthy`;
  try {
    const status = await statusOf(url);
    if (status !== 200) throw new AppError(`it answered with status ${status}`);
  } catch (cause) {
    throw new AppError(`not healthy: ${url}`, { cause });
  }
}

// node:http is there already, where a client library would cost half a second of CPU at every check.
function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, signal: AbortSignal.timeout(timeout) }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("error", reject);
  });
}

/** Where a server that listens on `host` is reached from its own machine. */
function loopbackFor(host: string | undefined): string {
  if (host === undefined || host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
