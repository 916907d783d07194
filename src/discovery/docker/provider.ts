import { describeError } from "../../errors.js";
import type { Logger } from "../../logging.js";
import { type ServiceLabels, withServiceLabels } from "../../model/service-labels.js";
import type { Target } from "../../model/target.js";
import type { TargetProvider } from "../provider.js";
import { type NodeSettings, targetOf } from "./container-target.js";
import type { EngineApi } from "./engine-api.js";
import type { EngineContainer } from "./engine-objects.js";
import { defaultGateway, type Machine, readMachine } from "./machine.js";
import { findOwnContainer } from "./own-container.js";
import { looksFromHost, reachOf, type Viewpoint } from "./reach.js";
import { type WatchListener, type WatchTimings, watchEvents } from "./watch.js";

export interface DockerProviderOptions extends Omit<NodeSettings, "nodeHostname"> {
  readonly engine: EngineApi;
  /** HOST_ADDRESS. Default: the default gateway if the proxy runs in a container, loopback on the host. */
  readonly hostAddress?: string;
  readonly logger: Logger;
  /** Labels of Swarm services, which apply to their containers. */
  readonly serviceLabels?: () => ServiceLabels;
  readonly timings?: Partial<WatchTimings>;
  /** Default: read from `/proc`. */
  readonly machine?: Machine;
}

/**
 * The running containers of one Docker engine, except the container of the proxy. Listing takes one request, whatever
 * the number of containers (on the host, a second one if there is a new network).
 */
export function createDockerProvider(options: DockerProviderOptions): TargetProvider {
  const { engine, logger } = options;
  /** Start times by container id, from events: the list only contains creation times. */
  const startTimes = new Map<string, number>();
  let drivers: ReadonlyMap<string, string> = new Map();

  return {
    name: "docker",

    async list(signal) {
      const requestedAt = Date.now();
      const machine = options.machine ?? (await readMachine());
      const nodeHostname = await engine.nodeHostname(signal);
      const containers = await engine.containers(signal);
      const byId = new Map(containers.map((container) => [container.id, container]));
      const view = viewOf(byId, machine);
      if (looksFromHost(view)) await learnDrivers(containers, signal);
      forgetStartsBefore(requestedAt, byId);

      const serviceLabels = options.serviceLabels?.();
      const targets: Target[] = [];
      for (const container of byId.values()) {
        if (container.id === view.own?.id) continue;
        const startedAt = Math.max(container.createdAt, startTimes.get(container.id) ?? 0);
        const labels = withServiceLabels(container.labels, serviceLabels);
        const reach = reachOf(container, view);
        targets.push(targetOf({ ...container, labels }, reach, startedAt, { ...options, nodeHostname }));
      }
      return targets.sort(byTitle);
    },

    watch(listener, signal) {
      const report: WatchListener = (event) => {
        if (event === "missed") return listener({ kind: "changed" });
        if (event.startedContainer !== undefined) {
          startTimes.set(event.startedContainer, Math.floor(event.atMicroseconds / 1000));
        }
        listener(event.change);
      };
      return watchEvents(engine.docker, report, signal, logger, options.timings);
    },
  };

  function viewOf(byId: ReadonlyMap<string, EngineContainer>, machine: Machine): Viewpoint {
    const own = findOwnContainer(byId, machine);
    const all = [...byId.values()];
    const find = (text: string) =>
      byId.get(text) ?? all.find(({ id, name }) => name === text || id.startsWith(text));
    const gateway = looksFromHost({ own, find }) ? undefined : defaultGateway(machine.routes);
    return { own, find, hostAddress: options.hostAddress ?? gateway, driverOf: (id) => drivers.get(id) };
  }

  /** Loads the drivers of the networks. Without them, scrapes of some containers time out, but no target is lost. */
  async function learnDrivers(containers: readonly EngineContainer[], signal: AbortSignal): Promise<void> {
    if (containers.every(({ networks }) => networks.every(({ id }) => drivers.has(id)))) return;
    try {
      drivers = await engine.networkDrivers(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      logger.debug("cannot list Docker networks", { reason: describeError(error) });
    }
  }

  function forgetStartsBefore(time: number, running: ReadonlyMap<string, unknown>): void {
    for (const [id, startedAt] of startTimes) {
      if (startedAt < time && !running.has(id)) startTimes.delete(id);
    }
  }
}

function byTitle(a: Target, b: Target): number {
  if (a.title !== b.title) return a.title < b.title ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}
