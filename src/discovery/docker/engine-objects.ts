import { z } from "zod";
import type { ProxyTask, SwarmService } from "../../model/publication.js";

/** A network that a container is on. */
export interface ContainerNetwork {
  readonly name: string;
  readonly id: string;
  /** The container's address: IPv4, otherwise IPv6; undefined if it is not connected yet, or in a network without addresses. */
  readonly address?: string;
  /** Length of the network's prefix in bits, if the address is known: 24 for 10.0.1.5/24. */
  readonly prefixLength?: number;
}

/** A running container. */
export interface EngineContainer {
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** `default`, `bridge`, `host`, `none`, `container:<id>` or a network's name. */
  readonly networkMode: string;
  /** Ordered by name. */
  readonly networks: readonly ContainerNetwork[];
}

/** The routing mesh: tasks cannot be reached there. */
const ingressNetwork = "ingress";

const optionalText = z
  .string()
  .nullish()
  .transform((text) => text || undefined);

const networkSchema = z
  .object({
    NetworkID: optionalText,
    IPAddress: optionalText,
    IPPrefixLen: z.number().nullish(),
    GlobalIPv6Address: optionalText,
    GlobalIPv6PrefixLen: z.number().nullish(),
  })
  .nullable();

/** A container, from the fields used of ContainerSummary in the Engine API; engines omit empty ones. */
const containerSchema = z
  .object({
    Id: z.string().regex(/^[0-9a-f]{12,64}$/),
    Names: z.array(z.string()).nullish(),
    Image: optionalText,
    Created: z.number(),
    Labels: z.record(z.string(), z.string()).nullish(),
    State: optionalText,
    HostConfig: z.object({ NetworkMode: optionalText }).nullish(),
    NetworkSettings: z.object({ Networks: z.record(z.string(), networkSchema).nullish() }).nullish(),
  })
  .transform((raw) => {
    const networks = Object.entries(raw.NetworkSettings?.Networks ?? {}).map(toNetwork);
    // Other names, such as `/other/alias`, come from links of other containers.
    const name = raw.Names?.find((candidate) => candidate.lastIndexOf("/") === 0)?.slice(1);
    return {
      id: raw.Id,
      name: name || raw.Id.slice(0, 12),
      image: raw.Image ?? "",
      labels: raw.Labels ?? {},
      createdAt: raw.Created * 1000,
      networkMode: raw.HostConfig?.NetworkMode ?? "default",
      networks: networks.sort((a, b) => (a.name < b.name ? -1 : 1)),
      state: raw.State ?? "running",
    };
  });

/** The running containers, without those that are paused or restarting. */
export const runningContainers = z
  .array(containerSchema)
  .transform((list): EngineContainer[] => list.filter(({ state }) => state === "running"));

/** The driver of each network by network id. */
export const networkDrivers = z
  .array(z.object({ Id: z.string(), Driver: z.string() }))
  .transform((list) => new Map(list.map(({ Id, Driver }) => [Id, Driver])));

/** The states of a task whose container runs; `starting` lasts until the first health check. */
const statesWithContainer: readonly unknown[] = ["starting", "running"];

/** The tasks whose containers run. */
export const proxyTasks = z
  .array(
    z.object({
      ID: z.string().min(1),
      NodeID: optionalText,
      Status: z.object({ State: optionalText }).nullish(),
      NetworksAttachments: z
        .array(
          z.object({
            Network: z.object({ Spec: z.object({ Name: optionalText }).nullish() }),
            Addresses: z.array(z.string()).nullish(),
          }),
        )
        .nullish(),
    }),
  )
  .transform((list) =>
    list
      .filter(({ Status }) => statesWithContainer.includes(Status?.State))
      .map(({ ID, NodeID, NetworksAttachments }): ProxyTask => {
        const addresses = (NetworksAttachments ?? [])
          .filter(({ Network }) => Network.Spec?.Name !== ingressNetwork)
          .flatMap(({ Addresses }) => Addresses ?? [])
          // With the prefix length of the network, such as 10.0.1.5/24.
          .map((address) => address.replace(/\/\d+$/, ""));
        return { id: ID, node: NodeID ?? "", addresses: addresses.sort() };
      }),
  );

/** The services of the swarm, with their labels and desired replicas. */
export const swarmServices = z.array(
  z
    .object({
      ID: z.string().min(1),
      Spec: z
        .object({
          Name: optionalText,
          Labels: z.record(z.string(), z.string()).nullish(),
          // One of Replicated, Global, ReplicatedJob and GlobalJob.
          Mode: z
            .object({
              Replicated: z.object({ Replicas: z.number().nullish() }).nullish(),
              Global: z.object({}).nullish(),
            })
            .nullish(),
        })
        .nullish(),
      // Since version 1.41 of the API.
      ServiceStatus: z.object({ DesiredTasks: z.number().nullish() }).nullish(),
    })
    .transform(({ ID, Spec, ServiceStatus }): SwarmService => {
      const { Replicated, Global } = Spec?.Mode ?? {};
      const replicas =
        Replicated?.Replicas ?? (Global ? ServiceStatus?.DesiredTasks : undefined) ?? undefined;
      return {
        id: ID,
        name: Spec?.Name ?? ID,
        labels: Spec?.Labels ?? {},
        ...(replicas !== undefined && { replicas }),
      };
    }),
);

function toNetwork([name, network]: [string, z.infer<typeof networkSchema>]): ContainerNetwork {
  const { NetworkID: id = name, IPAddress, GlobalIPv6Address } = network ?? {};
  const address = IPAddress ?? GlobalIPv6Address;
  if (address === undefined) return { name, id };
  // 0 means unknown.
  const prefixLength = IPAddress === undefined ? network?.GlobalIPv6PrefixLen : network?.IPPrefixLen;
  return { name, id, address, ...(prefixLength ? { prefixLength } : {}) };
}
