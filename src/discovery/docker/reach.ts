import type { ContainerNetwork, EngineContainer } from "./engine-api.js";

/** From where the proxy looks at the containers of one engine. */
export interface Viewpoint {
  /** The container that the proxy runs in; undefined where it runs on the host. */
  readonly own: EngineContainer | undefined;
  /** A running container by its id, the beginning of its id, or its name. */
  find(idOrName: string): EngineContainer | undefined;
  /** Where the host, and so each container in its network, is reached; undefined where nothing says so. */
  readonly hostAddress: string | undefined;
  /** The driver of a network by its id, as far as known. Only asked where the proxy is in the host's network. */
  driverOf(networkId: string): string | undefined;
}

/** How a container can be reached, if at all. */
export type Reach =
  | {
      readonly kind: "address";
      readonly address: string;
      /** Whether the proxy's own listener may answer at that address. */
      readonly ownToo: boolean;
    }
  | { readonly kind: "none"; readonly reason: string };

const loopback = "127.0.0.1";
/** No container answers another on these. */
const notShared = new Set(["ingress", "none", "host"]);
/** Networks that end inside the containers: the host itself is not on them. */
const closedToHost = new Set(["overlay", "null"]);

/**
 * Where a container is reached from the proxy. A proxy in a container takes a network that both are on (the
 * first by name); one on the host, or in a container in the host's network, takes the container's own address,
 * on a bridge rather than elsewhere. A container in the host's network is reached at the host's address; one
 * that uses another container's network, where that one is.
 */
export function reachOf(container: EngineContainer, view: Viewpoint): Reach {
  const holder = networkHolder(container, view);
  if (holder === undefined) {
    return { kind: "none", reason: "no shared network (it uses that of a container that does not run)" };
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
  if (usable.length > 0) return { kind: "none", reason: `no address yet (it is on: ${namesOf(usable)})` };
  return { kind: "none", reason: `no shared network (it is on: ${namesOf(holder.networks) || "none"})` };
}

/** Whether the proxy is in the host's network, so that the host's addresses and bridges are its own. */
export function looksFromHost(view: Pick<Viewpoint, "own" | "find">): boolean {
  if (view.own === undefined) return true;
  const holder = networkHolder(view.own, view);
  return holder !== undefined && inHostNetwork(holder);
}

/** The container whose network it uses: itself, unless its network mode names another. */
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
    reason:
      "no shared network (it is on: host), and no default gateway that leads to the host: set HOST_ADDRESS",
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
