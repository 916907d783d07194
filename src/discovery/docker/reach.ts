import type { ContainerNetwork, EngineContainer } from "./engine-objects.js";

/** The position of the proxy among the containers of one engine. */
export interface Viewpoint {
  /** The container of the proxy; undefined if it runs on the host. */
  readonly own: EngineContainer | undefined;
  /** Finds a running container by its id, a prefix of its id, or its name. */
  find(idOrName: string): EngineContainer | undefined;
  /** The address of the host, and so of containers in the host's network, if known. */
  readonly hostAddress: string | undefined;
  /** The driver of a network by its id, if known. Only used if the proxy is in the host's network. */
  driverOf(networkId: string): string | undefined;
}

/** How to reach a container. */
export type Reach =
  | {
      readonly kind: "address";
      readonly address: string;
      /** Whether the proxy itself may listen at this address. */
      readonly ownToo: boolean;
    }
  | { readonly kind: "none"; readonly reason: string };

const loopback = "127.0.0.1";
/** Networks on which containers cannot reach each other. */
const notShared = new Set(["ingress", "none", "host"]);
/** Drivers of networks that the host is not on. */
const closedToHost = new Set(["overlay", "null"]);

/**
 * The address at which the proxy reaches a container. A proxy in a container uses a shared network (the first by name).
 * A proxy on the host, or in the host's network, uses the container's address, preferably on a bridge. A container in the
 * host's network has the host's address; one that uses the network of another container has the other's address.
 */
export function reachOf(container: EngineContainer, view: Viewpoint): Reach {
  const holder = networkHolder(container, view);
  if (holder === undefined) {
    return { kind: "none", reason: "no shared network (uses the network of a container that does not run)" };
  }
  const ownHolder = view.own === undefined ? undefined : networkHolder(view.own, view);
  if (ownHolder !== undefined && holder.id === ownHolder.id) {
    return { kind: "address", address: loopback, ownToo: true };
  }
  if (inHostNetwork(holder)) return reachOfHost(view);

  const fromHost = ownHolder === undefined || inHostNetwork(ownHolder);
  const usable = fromHost ? openToHost(holder, view) : sharedNetworks(holder, ownHolder);
  const address = usable.find((network) => network.address !== undefined)?.address;
  if (address !== undefined) return { kind: "address", address, ownToo: false };
  if (usable.length > 0) return { kind: "none", reason: `no address yet (networks: ${namesOf(usable)})` };
  return { kind: "none", reason: `no shared network (networks: ${namesOf(holder.networks) || "none"})` };
}

/** Whether the proxy is in the host's network, so that it reaches the host's bridges and loopback. */
export function looksFromHost(view: Pick<Viewpoint, "own" | "find">): boolean {
  if (view.own === undefined) return true;
  const holder = networkHolder(view.own, view);
  return holder !== undefined && inHostNetwork(holder);
}

/** The container whose network it uses: itself, unless its network mode names another container. */
function networkHolder(
  container: EngineContainer,
  view: Pick<Viewpoint, "find">,
): EngineContainer | undefined {
  const [, other] = /^container:(.+)$/.exec(container.networkMode) ?? [];
  return other === undefined ? container : view.find(other);
}

function inHostNetwork(container: EngineContainer): boolean {
  return container.networkMode === "host" || container.networks.some(({ name }) => name === "host");
}

function reachOfHost(view: Viewpoint): Reach {
  const address = view.hostAddress ?? (looksFromHost(view) ? loopback : undefined);
  if (address !== undefined) return { kind: "address", address, ownToo: true };
  return {
    kind: "none",
    reason: "no shared network (networks: host), and no default gateway to the host: set HOST_ADDRESS",
  };
}

function sharedNetworks(container: EngineContainer, own: EngineContainer): readonly ContainerNetwork[] {
  const ownIds = new Set(own.networks.filter(({ name }) => !notShared.has(name)).map(({ id }) => id));
  return container.networks.filter(({ id }) => ownIds.has(id));
}

function openToHost(container: EngineContainer, view: Viewpoint): readonly ContainerNetwork[] {
  const open = container.networks.filter(
    ({ name, id }) => !notShared.has(name) && !closedToHost.has(view.driverOf(id) ?? ""),
  );
  const isBridge = ({ id }: ContainerNetwork) => view.driverOf(id) === "bridge";
  return [...open.filter(isBridge), ...open.filter((network) => !isBridge(network))];
}

function namesOf(networks: readonly ContainerNetwork[]): string {
  return networks.map(({ name }) => name).join(", ");
}
