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

/** Requests to one engine. Each has a timeout, because dockerode has none, and throws DiscoveryError. */
export interface EngineApi {
  readonly docker: Dockerode;
  /** The running containers (GET /containers/json), without those that are paused or restarting. */
  containers(signal: AbortSignal): Promise<readonly EngineContainer[]>;
  /** Driver of each network by network id (GET /networks). */
  networkDrivers(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** The hostname of the node (field Name of GET /info), requested once. */
  nodeHostname(signal: AbortSignal): Promise<string>;
  /** The current role of the engine in a swarm, which may change at any time. */
  swarm(signal: AbortSignal): Promise<SwarmState>;
  /**
   * The running tasks of a service (GET /tasks, on managers only), including those whose first health check is pending,
   * which may take half a minute. Requests only tasks whose desired state is running, because a busy swarm remembers
   * tens of thousands of old tasks.
   */
  serviceTasks(serviceId: string, signal: AbortSignal): Promise<readonly EngineTask[]>;
  /** All services of the swarm (GET /services, on managers only). */
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

  /** Calls a method of dockerode. @param what completes "the engine did not". */
  const request = async <T>(
    method: "info" | "listContainers" | "listNetworks" | "listServices" | "listTasks",
    what: string,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    options: object = {},
  ): Promise<T> => {
    // The types of dockerode lack the options of some methods.
    const call = docker[method].bind(docker) as (options: object) => Promise<unknown>;
    const failure = `the Docker engine at ${endpoint} did not ${what}`;
    const response = await withDeadline(timeoutMs, signal, (abortSignal) =>
      call({ ...options, abortSignal }),
    ).catch((cause: unknown) => {
      throw new DiscoveryError(`${failure}${hintFor(cause)}`, { cause });
    });
    const checked = schema.safeParse(response);
    if (checked.success) return checked.data;
    const cause = new Error(z.prettifyError(checked.error));
    throw new DiscoveryError(`${failure}: unexpected response`, { cause });
  };

  return {
    docker,

    async swarm(signal) {
      const { Swarm } = await request("info", "report its role in a swarm", infoSchema, signal);
      return { nodeId: Swarm?.NodeID ?? "", manager: Swarm?.ControlAvailable === true };
    },

    async serviceTasks(serviceId, signal) {
      const filters = JSON.stringify({ service: [serviceId], "desired-state": ["running"] });
      const what = "list the tasks of this service";
      const list = await request("listTasks", what, z.array(taskSchema), signal, { filters });
      return list.filter(hasContainer).map(toTask);
    },

    async services(signal) {
      const list = await request("listServices", "list its services", z.array(serviceSchema), signal);
      return list.map(toService);
    },

    async containers(signal) {
      const list = await request("listContainers", "list its containers", z.array(containerSchema), signal);
      return list.filter(({ State }) => State === undefined || State === "running").map(toContainer);
    },

    async networkDrivers(signal) {
      const schema = z.array(z.object({ Id: z.string(), Driver: z.string() }));
      const list = await request("listNetworks", "list its networks", schema, signal);
      return new Map(list.map(({ Id, Driver }) => [Id, Driver]));
    },

    async nodeHostname(signal) {
      const schema = z.object({ Name: z.string().min(1) });
      knownHostname ??= (await request("info", "report the hostname of its node", schema, signal)).Name;
      return knownHostname;
    },
  };
}
