import type { ContainerNetwork, EngineApi, EngineContainer } from "./engine-api.js";
import { type Machine, readMachine } from "./machine.js";
import { findOwnContainer } from "./own-container.js";

/** The Swarm task of this process. */
export interface OwnTask {
  readonly serviceId: string;
  readonly taskId: string;
  /** The networks that its container is on now. @throws DiscoveryError */
  networks(signal: AbortSignal): Promise<readonly ContainerNetwork[]>;
  /** Ids of the networks that its container is on now. @throws DiscoveryError */
  networkIds(signal: AbortSignal): Promise<ReadonlySet<string>>;
}

/**
 * Finds the task of this process by the labels of its container, so that stack and service can have any name.
 *
 * @returns undefined if this process is no task of a Swarm service.
 * @throws DiscoveryError if the engine fails.
 */
export async function findOwnTask(
  engine: EngineApi,
  signal: AbortSignal,
  machine?: Machine,
): Promise<OwnTask | undefined> {
  const own = async (signal: AbortSignal) =>
    ownContainer(await engine.containers(signal), machine ?? (await readMachine()));
  const labels = (await own(signal))?.labels;
  const serviceId = labels?.["com.docker.swarm.service.id"];
  const taskId = labels?.["com.docker.swarm.task.id"];
  if (!serviceId || !taskId) return undefined;
  const networks = async (signal: AbortSignal) => (await own(signal))?.networks ?? [];
  return {
    serviceId,
    taskId,
    networks,
    networkIds: async (signal) => new Set((await networks(signal)).map(({ id }) => id)),
  };
}

function ownContainer(containers: readonly EngineContainer[], machine: Machine): EngineContainer | undefined {
  return findOwnContainer(new Map(containers.map((container) => [container.id, container])), machine);
}
