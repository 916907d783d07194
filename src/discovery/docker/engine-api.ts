import type Dockerode from "dockerode";
import { z } from "zod";
import { withDeadline } from "../../deadline.js";
import { codeOf, DiscoveryError } from "../../errors.js";
import type { DockerClient } from "./client.js";
import {
  containerSchema,
  type EngineContainer,
  type EngineService,
  type EngineTask,
  hasContainer,
  infoSchema,
  type SwarmState,
  serviceSchema,
  taskSchema,
  toContainer,
  toService,
  toTask,
} from "./engine-objects.js";

export type {
  ContainerNetwork,
  EngineContainer,
  EngineService,
  EngineTask,
  SwarmState,
} from "./engine-objects.js";

/** Requests to one engine. Each has a timeout, because dockerode has none. */
export interface EngineApi {
  readonly docker: Dockerode;
  /**
   * The running containers (GET /containers/json), without those that are paused or restarting.
   * @throws DiscoveryError
   */
  containers(signal: AbortSignal): Promise<readonly EngineContainer[]>;
  /**
   * Driver of each network by network id (GET /networks).
   * @throws DiscoveryError
   */
  networkDrivers(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /**
   * The hostname of the node (field Name of GET /info), requested once.
   * @throws DiscoveryError
   */
  nodeHostname(signal: AbortSignal): Promise<string>;
  /**
   * The current role of the engine in a swarm, which may change at any time.
   * @throws DiscoveryError
   */
  swarm(signal: AbortSignal): Promise<SwarmState>;
  /**
   * The running tasks of a service (GET /tasks, on managers only), including those whose first health check is pending,
   * which may take half a minute. Requests only tasks whose desired state is running, because a busy swarm remembers
   * tens of thousands of old tasks.
   * @throws DiscoveryError
   */
  serviceTasks(serviceId: string, signal: AbortSignal): Promise<readonly EngineTask[]>;
  /**
   * All services of the swarm (GET /services, on managers only).
   * @throws DiscoveryError
   */
  services(signal: AbortSignal): Promise<readonly EngineService[]>;
}

/** What to do, if the error does not state it. */
function hintFor(cause: unknown): string {
  if (codeOf(cause) !== "ENOENT") return "";
  return " (check that the engine runs and its socket is mounted; set DOCKER_HOST to use another engine, or TARGETS_FILE to use none)";
}

/** @param timeoutMs timeout of one request in milliseconds. */
export function createEngineApi(client: DockerClient, timeoutMs = 10_000): EngineApi {
  const { docker, endpoint } = client;
  let knownHostname: string | undefined;

  const request = async <T>(
    what: string,
    signal: AbortSignal,
    call: (abortSignal: AbortSignal) => Promise<unknown>,
    schema: z.ZodType<T>,
  ): Promise<T> => {
    let response: unknown;
    try {
      response = await withDeadline(timeoutMs, signal, call);
    } catch (cause) {
      throw new DiscoveryError(`the Docker engine at ${endpoint} did not ${what}${hintFor(cause)}`, {
        cause,
      });
    }
    const checked = schema.safeParse(response);
    if (checked.success) return checked.data;
    throw new DiscoveryError(`the Docker engine at ${endpoint} did not ${what}: unexpected response`, {
      cause: new Error(z.prettifyError(checked.error)),
    });
  };

  // The types of dockerode lack the options of these functions.
  const info = docker.info.bind(docker) as (options: { abortSignal: AbortSignal }) => Promise<unknown>;

  const listServices = docker.listServices.bind(docker) as (options: object) => Promise<unknown>;
  const listTasks = docker.listTasks.bind(docker) as (options: object) => Promise<unknown>;

  return {
    docker,

    async swarm(signal) {
      const what = "report its role in a swarm";
      const { Swarm } = await request(what, signal, (abortSignal) => info({ abortSignal }), infoSchema);
      const { NodeID, ControlAvailable } = Swarm ?? {};
      return { nodeId: NodeID ?? "", manager: ControlAvailable === true };
    },

    async serviceTasks(serviceId, signal) {
      const filters = JSON.stringify({ service: [serviceId], "desired-state": ["running"] });
      const list = await request(
        "list the tasks of this service",
        signal,
        (abortSignal) => listTasks({ filters, abortSignal }),
        z.array(taskSchema),
      );
      return list.filter(hasContainer).map(toTask);
    },

    async services(signal) {
      const list = await request(
        "list its services",
        signal,
        (abortSignal) => listServices({ abortSignal }),
        z.array(serviceSchema),
      );
      return list.map(toService);
    },

    async containers(signal) {
      const what = "list its containers";
      const list = await request(
        what,
        signal,
        (abortSignal) => docker.listContainers({ abortSignal }),
        z.array(containerSchema),
      );
      return list.filter(({ State }) => State === undefined || State === "running").map(toContainer);
    },

    async networkDrivers(signal) {
      const what = "list its networks";
      const list = await request(
        what,
        signal,
        (abortSignal) => docker.listNetworks({ abortSignal } as Dockerode.NetworkListOptions),
        z.array(z.object({ Id: z.string(), Driver: z.string() })),
      );
      return new Map(list.map(({ Id, Driver }) => [Id, Driver]));
    },

    async nodeHostname(signal) {
      knownHostname ??= (
        await request(
          "report the hostname of its node",
          signal,
          (abortSignal) => info({ abortSignal }),
          z.object({ Name: z.string().min(1) }),
        )
      ).Name;
      return knownHostname;
    },
  };
}
