import { type Config, missingSecret } from "../config/config.js";
import type { EngineApi } from "../discovery/docker/engine-api.js";
import { findOwnTask } from "../discovery/docker/own-task.js";
import { ConfigError } from "../errors.js";
import type { Scrape } from "../model/scrape.js";
import type { PeerSource } from "../replication/peers.js";
import { createStaticPeers } from "../replication/static-peers.js";
import { createSwarmPeers } from "../replication/swarm-peers.js";

/** With whom this instance replicates, and what of its own. */
export interface ReplicationMode {
  readonly secret: string;
  readonly source: PeerSource;
  readonly travels: (entry: Scrape) => boolean;
}

const everything = () => true;
const replicatedOnly = ({ scope }: Scrape) => scope === "replicated";

/**
 * In a task of a Swarm service: the other tasks of that service, for replicated services only. Else PEERS, for all
 * entries. With SSHPASS alone it listens, for peers that name this node and for people.
 *
 * @returns undefined where nothing asks for replication.
 * @throws ConfigError where the secret is missing, DiscoveryError where the engine does not say whether this is Swarm.
 */
export async function replicationMode(
  { sshPass, peers, sshListen }: Config,
  engine: EngineApi | undefined,
  signal: AbortSignal,
): Promise<ReplicationMode | undefined> {
  if (peers.length === 0 && engine !== undefined) {
    const task = await findOwnTask(engine, signal);
    if (task !== undefined) {
      if (sshPass === undefined) throw new ConfigError([missingSecret("this is a task of a Swarm service")]);
      const source = createSwarmPeers(engine, task, sshListen.port);
      return { secret: sshPass, source, travels: replicatedOnly };
    }
  }
  if (sshPass === undefined) return undefined;
  return { secret: sshPass, source: createStaticPeers(peers), travels: everything };
}
