import type { Cache } from "../cache/cache.js";
import { systemClock } from "../model/clock.js";
import { originName } from "../model/origin-name.js";
import { startReplication } from "../replication/replication.js";
import { replicationMode } from "./replication-mode.js";
import type { Scanning } from "./scanning.js";
import type { Surroundings } from "./surroundings.js";

/** Replicates where that is asked for, as soon as it is known who this node is. */
export async function startReplicating(
  { config, logger }: Surroundings,
  cache: Cache,
  { engine, telemetry, learnNodeName, serviceLabels }: Scanning,
  signal: AbortSignal,
) {
  const mode = await replicationMode(config, engine, signal);
  if (mode === undefined) return undefined;
  return startReplication({
    ...mode,
    listen: config.sshListen,
    replicateTo: config.replicateTo,
    cache,
    serviceLabels,
    cacheDir: config.cacheDir,
    staleAfter: config.staleAfter,
    maxBytes: config.scrapeMaxBytes,
    ...(config.advertiseAddress === undefined ? {} : { advertise: config.advertiseAddress }),
    interval: config.scrapeInterval,
    origin: originName(await learnNodeName(), config.listen),
    clock: systemClock,
    logger,
    telemetry,
  });
}
