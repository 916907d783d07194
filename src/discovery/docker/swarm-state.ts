import type { SwarmDocumentContent, SwarmService } from "../../model/publication.js";
import type { EngineApi } from "./engine-api.js";
import type { OwnTask } from "./own-container.js";

/**
 * Reads the state of the swarm from a manager's engine.
 *
 * @param own the proxy's own task, if it runs in a Swarm service.
 * @param known the services to use if the engine does not list them, as behind a restrictive socket proxy.
 * @returns undefined for a worker, and outside of a swarm.
 * @throws DiscoveryError
 */
export async function readSwarmState(
  engine: EngineApi,
  own: OwnTask | undefined,
  known: readonly SwarmService[],
  signal: AbortSignal,
): Promise<SwarmDocumentContent | undefined> {
  if (!(await engine.isManager(signal))) return undefined;
  const [services, tasks] = await Promise.all([
    engine.services(signal).catch(() => known),
    own === undefined ? [] : engine.serviceTasks(own.serviceId, signal),
  ]);
  return { services: services.toSorted(byId), tasks: tasks.toSorted(byId) };
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}
