import { BlockList, isIPv6 } from "node:net";
import { defaultSshPort } from "../../config/readers.js";
import type { ContainerNetwork } from "../../discovery/docker/engine-objects.js";
import type { OwnTask } from "../../discovery/docker/own-container.js";
import { type HostPort, parseHostPort } from "../../model/host-port.js";
import type { SwarmDocument } from "../../model/publication.js";

/** A peer as its source knows it. */
export interface KnownPeer {
  /** Stable while the peer lives: its Swarm task, or its text in PEERS. */
  readonly key: string;
  /** Node id, or `host:port`. */
  readonly title: string;
  /** Where its SSH server listens; never empty. Another one is tried after each failure. */
  readonly addresses: readonly HostPort[];
}

export interface PeerList {
  readonly peers: readonly KnownPeer[];
  /** Why some peers cannot be dialled. */
  readonly problem?: string;
}

/** Lists the peers: from PEERS, or the tasks of the proxy's own Swarm service. */
export interface PeerSource {
  /** Id of this node's own Swarm task. */
  readonly task?: string;
  /** @throws AppError if the list cannot be determined. A failure is never an empty list. */
  list(signal: AbortSignal): Promise<PeerList>;
}

const ingressNetwork = "ingress";

/** The peers of PEERS. @param peers `host` or `host:port`, valid as checked by the configuration. */
export function createStaticPeers(peers: readonly string[]): PeerSource {
  const known = [...new Set(peers)].flatMap((text): KnownPeer[] => {
    const address = parseHostPort(text, { defaultPort: defaultSshPort });
    return address === undefined ? [] : [{ key: text, title: text, addresses: [address] }];
  });
  return { list: async () => ({ peers: known }) };
}

/**
 * The other tasks of the proxy's own service, from the current swarm document. Addresses outside the subnets of this
 * node's own networks are ignored, so that a document from a peer cannot make this node dial arbitrary hosts.
 *
 * @param port the port of the SSH server on all nodes.
 * @param observed the current swarm document, and why this manager could not read the swarm.
 */
export function createSwarmPeers(
  own: OwnTask,
  port: number,
  observed: { readonly document: SwarmDocument | undefined; readonly failure: Error | undefined },
): PeerSource {
  return {
    task: own.taskId,
    async list(signal) {
      if (observed.failure !== undefined) throw observed.failure;
      const tasks = observed.document?.tasks.filter(({ id }) => id !== own.taskId) ?? [];
      if (tasks.length === 0) return { peers: [] };
      const isReachable = subnetsOf(await own.networks(signal));
      const peers = tasks.flatMap(({ id, node, addresses }): KnownPeer[] => {
        const reachable = addresses.filter(isReachable).sort();
        if (reachable.length === 0) return [];
        return [
          { key: id, title: node === "" ? id : node, addresses: reachable.map((host) => ({ host, port })) },
        ];
      });
      const unreachable = tasks.length - peers.length;
      const problem =
        `${unreachable} of ${tasks.length} other tasks share no network with this one, apart from the ingress network: ` +
        "attach the service to an overlay network";
      return { peers, ...(unreachable === 0 ? {} : { problem }) };
    },
  };
}

function subnetsOf(networks: readonly ContainerNetwork[]): (address: string) => boolean {
  const subnets = new BlockList();
  for (const { name, address, prefixLength } of networks) {
    if (name === ingressNetwork || address === undefined || prefixLength === undefined) continue;
    subnets.addSubnet(address, prefixLength, familyOf(address));
  }
  return (address) => subnets.check(address, familyOf(address));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv6(address) ? "ipv6" : "ipv4";
}
