import type { SwarmNode } from "../../support/docker/swarm-lab.js";
import type { Task } from "../../support/docker/tasks.js";
import { until } from "../../support/docker/until.js";
import { readExposition } from "../../support/exposition-reader.js";
import type { ProxyClient } from "../proxy-client.js";
import type { ProxySwarm } from "./proxy-swarm.js";

/**
 * The command of a service whose every container tells who it is: `app_info{container="<the beginning of its id>",
 * version="<VERSION>"}`.
 */
const tellsItself = (port: number) =>
  `["/bin/busybox", "sh", "-c", "/bin/busybox printf '# HELP app_info Who this is.\\\\n# TYPE app_info gauge\\\\napp_info{container=\\"%s\\",version=\\"%s\\"} 1\\\\n' $$HOSTNAME $$VERSION > /www/metrics; exec /bin/busybox httpd -f -p ${port} -h /www"]`;

/** One service of a stack. */
export interface AppService {
  readonly name: string;
  /** Its section `deploy`, such as `replicas: 6`. */
  readonly deploy: string;
  /** `dnsrr` unless told. */
  readonly endpointMode?: "vip" | "dnsrr";
  /** Where its metrics are; 8080 unless told. */
  readonly port?: number;
}

/** A stack on a network that is there already, whose containers tell who they are. */
export function appStack(network: string, ...services: readonly AppService[]): string {
  const sections = services.map(
    ({ name, deploy, endpointMode = "dnsrr", port = 8080 }) => `
  ${name}:
    image: sample-exporter
    command: ${tellsItself(port)}
    environment: { VERSION: "1" }
    networks: [${network}]
    stop_signal: KILL
    deploy: { endpoint_mode: ${endpointMode}, ${deploy} }
`,
  );
  return `
version: "3.8"
services:
${sections.join("")}
networks:
  ${network}: { external: true }
`;
}

/** The containers behind a name as a proxy shows them: the beginning of each one's id, by `instance`. */
export async function shown(client: ProxyClient, name: string): Promise<Record<string, string>> {
  return containersIn(await client.metrics(name));
}

/** The same, of an exposition. */
export function containersIn(exposition: string): Record<string, string> {
  const { samples } = readExposition(Buffer.from(exposition), "text");
  const found = samples
    .filter((sample) => sample.name === "app_info")
    .map(({ labels }) => {
      const label = Object.fromEntries(labels);
      return [label["instance"] ?? "", label["container"] ?? ""] as const;
    });
  return Object.fromEntries(found.sort());
}

/** What should be shown: tasks by the full name of their service. */
export type TasksByService = Readonly<Record<string, readonly Task[]>>;

/** What `shown` answers where just these tasks are behind a name. */
export function showing(tasks: TasksByService): Record<string, string> {
  const pairs = Object.entries(tasks).flatMap(([service, list]) =>
    list.map(({ slot, containerId }) => [`${service}.${slot}`, containerId.slice(0, 12)] as const),
  );
  return Object.fromEntries(pairs.sort());
}

/** Waits until nodes show just these tasks under a name. @param on all nodes unless told. */
export async function allShow(
  swarm: ProxySwarm,
  name: string,
  tasks: TasksByService,
  seconds: number,
  on: readonly SwarmNode[] = swarm.lab.nodes,
): Promise<void> {
  const wanted = JSON.stringify(showing(tasks));
  const ask = () => Promise.all(on.map(async (node) => [node.name, await shown(swarm.client(node), name)]));
  const right = (all: Awaited<ReturnType<typeof ask>>) =>
    all.every(([, seen]) => JSON.stringify(seen) === wanted);
  await until(ask, right, `/${name}/metrics shows ${wanted}`, seconds * 1000);
}
