import type { Config } from "../../config/config.js";
import { expectsMetrics, type LabelSettings, readLabelSettings } from "../../model/label-settings.js";
import { nameContainer } from "../../model/names.js";
import type { Fetch, Target } from "../../model/target.js";
import { candidateUrls } from "../candidates.js";
import type { EngineContainer } from "./engine-objects.js";
import type { Reach } from "./reach.js";

/** What all containers of a node have in common. */
export interface NodeSettings extends Pick<Config, "ports" | "metricsPath" | "listen"> {
  readonly nodeHostname: string;
}

/** The target id of a container. */
export function targetIdOf(containerId: string): string {
  return `docker:${containerId}`;
}

/** The target of a container. Pure. @param startedAt milliseconds since 1970. */
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
  const { scheme = "http", path = node.metricsPath } = settings;
  const ports = settings.port === undefined ? node.ports : [settings.port];
  const usable = reach.ownToo ? ports.filter((port) => port !== node.listen.port) : ports;
  const urls = candidateUrls(scheme, reach.address, usable, path);
  if (urls.length > 0)
    return { kind: "http", urls, ...(settings.auth === undefined ? {} : { auth: settings.auth }) };
  return {
    kind: "none",
    state: "unreachable",
    reason: `no port to scrape at ${reach.address}: port ${ports.join(", ")} is the proxy itself`,
  };
}
