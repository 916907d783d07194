import { expectsMetrics, type LabelSettings, readLabelSettings } from "../../model/label-settings.js";
import { nameContainer } from "../../model/names.js";
import type { Fetch, Target } from "../../model/target.js";
import { candidateUrls } from "../candidates.js";
import type { EngineContainer } from "./engine-api.js";
import type { Reach } from "./reach.js";

/** What holds for every container of a node. */
export interface NodeSettings {
  readonly nodeHostname: string;
  /** Ports to try where no label names one, in order of preference. */
  readonly ports: readonly number[];
  /** Path where no label names one; begins with a slash. */
  readonly path: string;
  /** The port that the proxy itself listens on: never asked where the proxy would answer. */
  readonly ownListenPort: number;
}

/** The id of the target that a container is. */
export function targetIdOf(containerId: string): string {
  return `docker:${containerId}`;
}

/** A container as a target. Pure. @param startedAt milliseconds since the epoch. */
export function targetOf(
  container: EngineContainer,
  reach: Reach,
  startedAt: number,
  node: NodeSettings,
): Target {
  const settings = readLabelSettings(container.labels);
  const { identity, problems } = nameContainer({
    id: container.id,
    name: container.name,
    labels: container.labels,
    nodeHostname: node.nodeHostname,
    ...(settings.name !== undefined && { override: settings.name }),
  });
  return {
    ...identity,
    id: targetIdOf(container.id),
    provider: "docker",
    title: container.name,
    ...(container.image !== "" && { image: container.image }),
    labels: container.labels,
    fetch: fetchOf(settings, reach, node),
    expected: expectsMetrics(settings),
    startedAt,
    problems: [...settings.problems, ...problems],
  };
}

function fetchOf(settings: LabelSettings, reach: Reach, node: NodeSettings): Fetch {
  if (settings.enable === false) {
    return { kind: "none", state: "disabled", reason: `label ${settings.enableLabel}` };
  }
  if (reach.kind === "none") return { kind: "none", state: "unreachable", reason: reach.reason };
  const ports = settings.port === undefined ? node.ports : [settings.port];
  const urls = candidateUrls({
    addresses: [reach.address],
    ports: reach.ownToo ? ports.filter((port) => port !== node.ownListenPort) : ports,
    path: settings.path ?? node.path,
    scheme: settings.scheme ?? "http",
  });
  if (urls.length > 0)
    return { kind: "http", urls, ...(settings.auth === undefined ? {} : { auth: settings.auth }) };
  return {
    kind: "none",
    state: "unreachable",
    reason: `nothing to ask at ${reach.address}: port ${ports.join(", ")} there is the proxy's own`,
  };
}
