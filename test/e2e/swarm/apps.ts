import type { SwarmNode } from "../../support/docker/swarm-lab.js";
import type { Task } from "../../support/docker/tasks.js";
import { until } from "../../support/docker/until.js";
import { readExposition } from "../../support/exposition-reader.js";
import type { ProxyClient } from "../proxy-client.js";
import type { ProxySwarm } from "./proxy-swarm.js";

/**
 * The command of a service whose containers identify themselves: `app_info{container="<the beginning of the id>",
 * version="<VERSION>"}`.
 */
const identifiesItself = (port: number) =>
  `["/bin/busybox", "sh", "-c", "/bin/busybox printf '# HELP app_info Identity of the container.\\\\n# TYPE app_info gauge\\\\napp_info{container=\\"%s\\",version=\\"%s\\"} 1\\\\n' $$HOSTNAME $$VERSION > /www/metrics; exec /bin/busybox httpd -f -p ${port} -h /www"]`;

/** One service of a stack. */
export interface AppService {
  readonly name: string;
  /** Its section `deploy`, such as `replicas: 6`. */
  readonly deploy: string;
  /** Default: `dnsrr`. */
  readonly endpointMode?: "vip" | "dnsrr";
  /** The port of its metrics. Default: 8080. */
  readonly port?: number;
}

/** A stack on an existing network, whose containers identify themselves. */
export function appStack(network: string, ...services: readonly AppService[]): string {
  const sections = services.map(
    ({ name, deploy, endpointMode = "dnsrr", port = 8080 }) => `
  ${name}:
    image: sample-exporter
    command: ${identifiesItself(port)}
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

/** The containers that a proxy serves under a name: the beginning of each id, by `instance`. */
export async function shown(client: ProxyClient, name: string): Promise<Record<string, string>> {
  return containersIn(await client.metrics(name));
}

/** The same, from an exposition. */
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

/** Expected tasks, by the full name of their service. */
export type TasksByService = Readonly<Record<string, readonly Task[]>>;

/** The result of `shown` if exactly these tasks are served. */
export function showing(tasks: TasksByService): Record<string, string> {
  const pairs = Object.entries(tasks).flatMap(([service, list]) =>
    list.map(({ slot, containerId }) => [`${service}.${slot}`, containerId.slice(0, 12)] as const),
  );
  return Object.fromEntries(pairs.sort());
}

/** Waits until nodes serve exactly these tasks under a name. @param on all nodes by default. */
export async function allShow(
  swarm: ProxySwarm,
  name: string,
  tasks: TasksByService,
  seconds: number,
  on: readonly SwarmNode[] = swarm.lab.nodes,
): Promise<void> {
  const expected = JSON.stringify(showing(tasks));
  const look = () => Promise.all(on.map(async (node) => [node.name, await shown(swarm.client(node), name)]));
  const isExpected = (all: Awaited<ReturnType<typeof look>>) =>
    all.every(([, seen]) => JSON.stringify(seen) === expected);
  await until(look, isExpected, `/${name}/metrics shows ${expected}`, seconds * 1000);
}
