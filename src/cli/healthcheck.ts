import { request } from "undici";
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
    const { statusCode, body } = await request(url, { signal: AbortSignal.timeout(timeout) });
    await body.dump();
    if (statusCode !== 200) throw new AppError(`it answered with status ${statusCode}`);
  } catch (cause) {
    throw new AppError(`not healthy: ${url}`, { cause });
  }
}

/** Where a server that listens on `host` is reached from its own machine. */
function loopbackFor(host: string | undefined): string {
  if (host === undefined || host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
