import type { Config } from "../config/config.js";
import { createDockerClient } from "../discovery/docker/client.js";
import type { Target } from "../model/target.js";
import type { EngineAddress } from "../server/relay/admission.js";
import { Relay } from "../server/relay/relay.js";
import { createSystemResolver } from "../server/relay/system-resolver.js";

/** The relay as the configuration wants it; undefined where it is off. @param targets those of this node. */
export function createRelay(
  config: Config,
  userAgent: string,
  targets: () => Iterable<Target>,
): Relay | undefined {
  if (config.relayAllow === undefined) return undefined;
  const engine = engineAddress(config);
  return new Relay({
    allow: config.relayAllow,
    ...(engine === undefined ? {} : { engine }),
    targets,
    resolve: createSystemResolver(),
    maxBytes: config.scrapeMaxBytes,
    timeout: config.scrapeTimeout,
    userAgent,
  });
}

/** Where the Docker engine is, if that is not a socket on this node. */
function engineAddress({ docker }: Config): EngineAddress | undefined {
  const url = new URL(createDockerClient(docker).endpoint);
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  return { host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port };
}
