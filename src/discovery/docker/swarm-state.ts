import type { ProxyTask, SwarmDocumentContent, SwarmService } from "../../model/publication.js";
import { metricsLabels } from "../../model/service-labels.js";
import type { EngineApi } from "./engine-api.js";
import type { OwnTask } from "./own-container.js";

/** What an engine knows about its swarm. */
export interface SwarmState {
  readonly manager: boolean;
  /** Absent for a worker, and outside of a swarm. */
  readonly content?: SwarmDocumentContent;
}

/** The routing mesh: tasks cannot be reached there. */
const ingressNetwork = "ingress";

/**
 * Reads the state of the swarm from a manager's engine.
 *
 * @param own the proxy's own task, if it runs in a Swarm service.
 * @param known the services to use if the engine does not list them, as behind a restrictive socket proxy.
 * @throws DiscoveryError
 */
export async function readSwarmState(
  engine: EngineApi,
  own: OwnTask | undefined,
  known: readonly SwarmService[],
  signal: AbortSignal,
): Promise<SwarmState> {
  const { manager } = await engine.swarm(signal);
  if (!manager) return { manager };
  const [services, tasks] = await Promise.all([
    servicesOf(engine, known, signal),
    own === undefined ? [] : tasksOf(engine, own, signal),
  ]);
  return { manager, content: { services, tasks } };
}

async function servicesOf(
  engine: EngineApi,
  known: readonly SwarmService[],
  signal: AbortSignal,
): Promise<readonly SwarmService[]> {
  const services = await engine.services(signal).catch(() => undefined);
  if (services === undefined) return known;
  return services.map((service) => ({ ...service, labels: metricsLabels(service.labels) })).sort(byId);
}

async function tasksOf(engine: EngineApi, own: OwnTask, signal: AbortSignal): Promise<readonly ProxyTask[]> {
  const tasks = await engine.serviceTasks(own.serviceId, signal);
  return tasks
    .map(({ id, nodeId, addresses }) => ({
      id,
      node: nodeId,
      addresses: addresses
        .flatMap(({ network, address }) => (network === ingressNetwork ? [] : [address]))
        .sort(),
    }))
    .sort(byId);
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}
