import type { SwarmLab } from "./swarm-lab.js";
import { until } from "./until.js";

/** A task of a service, as managers see it. */
export interface Task {
  readonly id: string;
  /** 1, 2, … for a replicated service, 0 for a global one. */
  readonly slot: number;
  readonly nodeId: string;
  /** Actual and desired state, such as `running`. */
  readonly state: string;
  readonly desired: string;
  /** The reason of a failure. */
  readonly error: string;
  readonly containerId: string;
}

interface TaskJson {
  readonly ID: string;
  readonly Slot?: number;
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly Status: {
    readonly State: string;
    readonly Err?: string;
    readonly ContainerStatus?: { readonly ContainerID?: string };
  };
}

/** All tasks of a service, ended ones included. */
export async function tasksOf({ docker }: Pick<SwarmLab, "docker">, service: string): Promise<Task[]> {
  const ids = (await docker(["service", "ps", "--quiet", "--no-trunc", service])).split("\n").filter(Boolean);
  if (ids.length === 0) return [];
  const tasks = JSON.parse(await docker(["inspect", "--type", "task", ...ids])) as TaskJson[];
  return tasks.map(({ ID, Slot = 0, NodeID = "", DesiredState, Status }) => ({
    id: ID,
    slot: Slot,
    nodeId: NodeID,
    state: Status.State,
    desired: DesiredState,
    error: Status.Err ?? "",
    containerId: Status.ContainerStatus?.ContainerID ?? "",
  }));
}

/**
 * Waits until exactly so many tasks of a service run, all of them desired. Returns them. A rolling update of a service
 * with a health check takes a while.
 */
export async function runningTasks(
  lab: Pick<SwarmLab, "docker">,
  service: string,
  count: number,
  isRight: (tasks: readonly Task[]) => boolean = () => true,
): Promise<Task[]> {
  const running = async () => (await tasksOf(lab, service)).filter(({ state }) => state === "running");
  const settled = (tasks: readonly Task[]) =>
    tasks.length === count && tasks.every(({ desired }) => desired === "running") && isRight(tasks);
  return until(running, settled, `${count} tasks of ${service} run, and no others`, 110_000);
}
