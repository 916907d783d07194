import type { EngineApi } from "./engine-api.js";
import type { ContainerNetwork } from "./engine-objects.js";
import { type Machine, readMachine } from "./machine.js";

const engineFiles = new Set(["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"]);

/**
 * The ids of containers whose files are mounted into this process, from `/proc/self/mountinfo`. An engine mounts a
 * container's hostname, hosts and resolv.conf from `…/containers/<id>/`. Unlike hostname and cgroup, this works in the
 * host's network, with a configured hostname, and with both cgroup versions.
 */
export function containerIdsIn(mountinfo: string): readonly string[] {
  const ids = new Set<string>();
  for (const line of mountinfo.split("\n")) {
    // Fields of proc(5): mount id, parent id, device, root within the file system, mount point, …
    const [, , , root = "", mountPoint = ""] = line.split(" ");
    if (!engineFiles.has(mountPoint)) continue;
    const id = /\/containers\/([0-9a-f]{64})\//.exec(root)?.[1];
    if (id !== undefined) ids.add(id);
  }
  return [...ids];
}

/**
 * The container that this process runs in, or undefined. Found by the mounted files, otherwise by the hostname, which by
 * default is the beginning of the container's id.
 */
export function findOwnContainer<T extends { readonly id: string }>(
  containers: ReadonlyMap<string, T>,
  machine: Pick<Machine, "mountinfo" | "hostname">,
): T | undefined {
  for (const id of containerIdsIn(machine.mountinfo)) {
    const own = containers.get(id);
    if (own !== undefined) return own;
  }
  if (!/^[0-9a-f]{12,64}$/.test(machine.hostname)) return undefined;
  const matches = [...containers.values()].filter(({ id }) => id.startsWith(machine.hostname));
  return matches.length === 1 ? matches[0] : undefined;
}

/** The Swarm task of this process. */
export interface OwnTask {
  readonly serviceId: string;
  readonly taskId: string;
  /** The networks that its container is on now. @throws DiscoveryError */
  networks(signal: AbortSignal): Promise<readonly ContainerNetwork[]>;
}

/**
 * Finds the task of this process by the labels of its container, so that stack and service can have any name.
 *
 * @param machine default: read from `/proc`.
 * @returns undefined if this process is no task of a Swarm service.
 * @throws DiscoveryError if the engine fails.
 */
export async function findOwnTask(
  engine: EngineApi,
  signal: AbortSignal,
  machine?: Machine,
): Promise<OwnTask | undefined> {
  const own = async (signal: AbortSignal) => {
    const containers = await engine.containers(signal);
    const byId = new Map(containers.map((container) => [container.id, container]));
    return findOwnContainer(byId, machine ?? (await readMachine()));
  };
  const labels = (await own(signal))?.labels;
  const serviceId = labels?.["com.docker.swarm.service.id"];
  const taskId = labels?.["com.docker.swarm.task.id"];
  if (!serviceId || !taskId) return undefined;
  return { serviceId, taskId, networks: async (signal) => (await own(signal))?.networks ?? [] };
}
