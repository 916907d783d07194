import { z } from "zod";

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

/** The role of the engine in a swarm: field Swarm of `GET /info`. */
export interface SwarmState {
  /** Empty outside a swarm. */
  readonly nodeId: string;
  /** Whether it is a manager, which can list tasks and services. */
  readonly manager: boolean;
}

/** A task of a service whose desired state is running, and whose container runs. */
export interface EngineTask {
  readonly id: string;
  readonly nodeId: string;
  /** Its addresses with the names of the networks. */
  readonly addresses: readonly { readonly network: string; readonly address: string }[];
}

/** A service of the swarm. */
export interface EngineService {
  readonly id: string;
  readonly name: string;
  /** `deploy.labels` in a stack file. */
  readonly labels: Readonly<Record<string, string>>;
  /** Desired tasks; undefined for global services and jobs. */
  readonly replicas?: number;
}

const optionalText = z
  .string()
  .nullish()
  .transform((text) => text || undefined);

const networkSchema = z.object({
  NetworkID: optionalText,
  IPAddress: optionalText,
  IPPrefixLen: z.number().nullish(),
  GlobalIPv6Address: optionalText,
  GlobalIPv6PrefixLen: z.number().nullish(),
});

/** The fields used of ContainerSummary in the Engine API; engines omit empty ones. */
export const containerSchema = z.object({
  Id: z.string().regex(/^[0-9a-f]{12,64}$/),
  Names: z.array(z.string()).nullish(),
  Image: optionalText,
  Created: z.number(),
  Labels: z.record(z.string(), z.string()).nullish(),
  State: optionalText,
  HostConfig: z.object({ NetworkMode: optionalText }).nullish(),
  NetworkSettings: z.object({ Networks: z.record(z.string(), networkSchema.nullable()).nullish() }).nullish(),
});

export const infoSchema = z.object({
  Swarm: z.object({ NodeID: optionalText, ControlAvailable: z.boolean().nullish() }).nullish(),
});

/** The fields used of Task in the Engine API. */
export const taskSchema = z.object({
  ID: z.string().min(1),
  NodeID: optionalText,
  Status: z.object({ State: optionalText }).nullish(),
  NetworksAttachments: z
    .array(
      z.object({
        Network: z.object({ ID: z.string(), Spec: z.object({ Name: optionalText }).nullish() }),
        Addresses: z.array(z.string()).nullish(),
      }),
    )
    .nullish(),
});

/** The fields used of Service in the Engine API. */
export const serviceSchema = z.object({
  ID: z.string().min(1),
  Spec: z
    .object({
      Name: optionalText,
      Labels: z.record(z.string(), z.string()).nullish(),
      // One of Replicated, Global, ReplicatedJob and GlobalJob.
      Mode: z.object({ Replicated: z.object({ Replicas: z.number().nullish() }).nullish() }).nullish(),
    })
    .nullish(),
});

/** The states of a task whose container runs; `starting` lasts until the first health check. */
const withContainer: ReadonlySet<string> = new Set(["starting", "running"]);

export function hasContainer({ Status }: z.infer<typeof taskSchema>): boolean {
  return withContainer.has(Status?.State ?? "");
}

export function toTask({ ID, NodeID, NetworksAttachments }: z.infer<typeof taskSchema>): EngineTask {
  const addresses = (NetworksAttachments ?? []).flatMap(({ Network, Addresses }) =>
    (Addresses ?? []).map((address) => ({
      network: Network.Spec?.Name ?? Network.ID,
      // Contains the prefix length of the network, such as 10.0.1.5/24.
      address: address.replace(/\/\d+$/, ""),
    })),
  );
  return { id: ID, nodeId: NodeID ?? "", addresses };
}

export function toService({ ID, Spec }: z.infer<typeof serviceSchema>): EngineService {
  const replicas = Spec?.Mode?.Replicated?.Replicas ?? undefined;
  return {
    id: ID,
    name: Spec?.Name ?? ID,
    labels: Spec?.Labels ?? {},
    ...(replicas !== undefined && { replicas }),
  };
}

function toNetwork(name: string, network: z.infer<typeof networkSchema> | null): ContainerNetwork {
  const { NetworkID: id = name, IPAddress, GlobalIPv6Address } = network ?? {};
  const address = IPAddress ?? GlobalIPv6Address;
  if (address === undefined) return { name, id };
  // 0 means unknown.
  const prefixLength = IPAddress === undefined ? network?.GlobalIPv6PrefixLen : network?.IPPrefixLen;
  return { name, id, address, ...(prefixLength ? { prefixLength } : {}) };
}

export function toContainer(raw: z.infer<typeof containerSchema>): EngineContainer {
  const networks = Object.entries(raw.NetworkSettings?.Networks ?? {}).map(([name, network]) =>
    toNetwork(name, network),
  );
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
  };
}
