import type Dockerode from "dockerode";
import { z } from "zod";
import { withDeadline } from "../../deadline.js";
import { codeOf, DiscoveryError } from "../../errors.js";
import type { ProxyTask, SwarmService } from "../../model/publication.js";
import type { DockerClient } from "./client.js";
import {
  type EngineContainer,
  networkDrivers,
  proxyTasks,
  runningContainers,
  swarmServices,
} from "./engine-objects.js";

const nameSchema = z.object({ Name: z.string().min(1) });
const roleSchema = z.object({ Swarm: z.object({ ControlAvailable: z.boolean().nullish() }).nullish() });

/** What to do, if the error does not state it. */
function hintFor(cause: unknown): string {
  if (codeOf(cause) !== "ENOENT") return "";
  return " (check that the engine runs and its socket is mounted; set DOCKER_HOST to use another engine, or TARGETS_FILE to use none)";
}

/** Requests to one engine. Each has a timeout, because dockerode has none, and throws DiscoveryError. */
export class EngineApi {
  readonly docker: Dockerode;
  readonly #endpoint: string;
  #hostname: string | undefined;

  /** @param timeoutMs timeout of one request in milliseconds. */
  constructor(
    { docker, endpoint }: DockerClient,
    private readonly timeoutMs = 10_000,
  ) {
    this.docker = docker;
    this.#endpoint = endpoint;
  }

  /** The running containers (GET /containers/json), without those that are paused or restarting. */
  containers(signal: AbortSignal): Promise<readonly EngineContainer[]> {
    return this.#request("listContainers", "list its containers", runningContainers, signal);
  }

  /** Driver of each network by network id (GET /networks). */
  networkDrivers(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    return this.#request("listNetworks", "list its networks", networkDrivers, signal);
  }

  /** The hostname of the node (field Name of GET /info), requested once. */
  async nodeHostname(signal: AbortSignal): Promise<string> {
    const what = "report the hostname of its node";
    this.#hostname ??= (await this.#request("info", what, nameSchema, signal)).Name;
    return this.#hostname;
  }

  /** Whether the node is currently a manager of a swarm, which can list tasks and services. */
  async isManager(signal: AbortSignal): Promise<boolean> {
    const { Swarm } = await this.#request("info", "report its role in a swarm", roleSchema, signal);
    return Swarm?.ControlAvailable === true;
  }

  /**
   * The running tasks of a service (GET /tasks, on managers only), including those whose first health check is pending,
   * which may take half a minute. Requests only tasks whose desired state is running, because a busy swarm remembers
   * tens of thousands of old tasks.
   */
  serviceTasks(serviceId: string, signal: AbortSignal): Promise<readonly ProxyTask[]> {
    const filters = JSON.stringify({ service: [serviceId], "desired-state": ["running"] });
    return this.#request("listTasks", "list the tasks of this service", proxyTasks, signal, { filters });
  }

  /** All services of the swarm with their numbers of tasks (GET /services, on managers only). */
  services(signal: AbortSignal): Promise<readonly SwarmService[]> {
    return this.#request("listServices", "list its services", swarmServices, signal, { status: true });
  }

  /** Calls a method of dockerode. @param what completes "the engine did not". */
  async #request<T>(
    method: "info" | "listContainers" | "listNetworks" | "listServices" | "listTasks",
    what: string,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    options: object = {},
  ): Promise<T> {
    // The types of dockerode lack the options of some methods.
    const call = this.docker[method].bind(this.docker) as (options: object) => Promise<unknown>;
    const failure = `the Docker engine at ${this.#endpoint} did not ${what}`;
    const response = await withDeadline(this.timeoutMs, signal, (abortSignal) =>
      call({ ...options, abortSignal }),
    ).catch((cause: unknown) => {
      throw new DiscoveryError(`${failure}${hintFor(cause)}`, { cause });
    });
    const checked = schema.safeParse(response);
    if (checked.success) return checked.data;
    const cause = new Error(z.prettifyError(checked.error));
    throw new DiscoveryError(`${failure}: unexpected response`, { cause });
  }
}
