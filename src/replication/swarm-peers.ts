import type { EngineApi, EngineTask } from "../discovery/docker/engine-api.js";
import type { OwnTask } from "../discovery/docker/own-task.js";
import { labelsOfMetrics, type ServiceLabels } from "../model/service-labels.js";
import type { KnownPeer, PeerSource } from "./peers.js";

/** The network of the routing mesh: published ports are reached over it, not tasks. */
const ingress = "ingress";

/**
 * The other tasks of this instance's own service, as a manager lists them. A worker, which cannot, only answers.
 * Whether this node is a manager is asked each time: promotion and demotion need no restart.
 *
 * @param port where all instances listen for SSH.
 */
export function createSwarmPeers(engine: EngineApi, own: OwnTask, port: number): PeerSource {
  return {
    async list(signal) {
      const { manager } = await engine.swarm(signal);
      if (!manager) return { manager, peers: [] };
      const [tasks, networkIds] = await Promise.all([
        engine.serviceTasks(own.serviceId, signal),
        own.networkIds(signal),
      ]);
      const others = tasks.filter(({ id }) => id !== own.taskId);
      const peers = others.flatMap((task) => {
        const peer = peerOf(task, networkIds, port);
        return peer === undefined ? [] : [peer];
      });
      const apart = others.length - peers.length;
      const serviceLabels = await labelsOfServices(engine, signal);
      return {
        manager,
        ...(apart === 0 ? {} : { problem: noSharedNetwork(apart, others.length) }),
        peers: peers.sort((a, b) => (a.key < b.key ? -1 : 1)),
        ...(serviceLabels === undefined ? {} : { serviceLabels }),
      };
    },
  };
}

/** Undefined where the engine does not tell, as behind a socket proxy that hides services: the last ones count on. */
async function labelsOfServices(engine: EngineApi, signal: AbortSignal): Promise<ServiceLabels | undefined> {
  try {
    const services = await engine.services(signal);
    const labels = services.map(({ id, labels: all }) => [id, labelsOfMetrics(all)] as const);
    return new Map(labels.filter(([, some]) => Object.keys(some).length > 0));
  } catch {
    return undefined;
  }
}

function noSharedNetwork(apart: number, all: number): string {
  return (
    `${apart} of the ${all} other tasks of this service are on no network that this one is on ` +
    "(the host's network and the routing mesh do not count): put the service on an overlay network"
  );
}

/** Undefined where the task shares no network with this one yet. */
function peerOf(task: EngineTask, networkIds: ReadonlySet<string>, port: number): KnownPeer | undefined {
  const shared = task.addresses.filter(
    ({ networkId, network }) => networkIds.has(networkId) && network !== ingress,
  );
  if (shared.length === 0) return undefined;
  const addresses = shared
    .sort((a, b) => (a.network < b.network ? -1 : 1))
    .map(({ address }) => ({ host: address, port }));
  return { key: task.id, title: task.nodeId === "" ? task.id : task.nodeId, addresses };
}
