import { importSampleExporter } from "../../support/docker/images.js";
import { importProjectImage } from "../../support/docker/project-image.js";
import { deployStack, joining, nameShippedImage, shippedStack } from "../../support/docker/stack.js";
import {
  type SwarmLab,
  type SwarmNode,
  type SwarmOptions,
  startSwarm,
} from "../../support/docker/swarm-lab.js";
import { runningTasks } from "../../support/docker/tasks.js";
import { until } from "../../support/docker/until.js";
import { ProxyClient } from "../proxy-client.js";

/** What all proxies of a test share. */
export const swarmSecret = "a secret for this swarm";

/** What stack.yml's service is called under the name that the tests deploy it by. */
export const proxyService = "metrics_proxy";

/** SCRAPE_INTERVAL in seconds. */
export const interval = 2;

/** Where a node's proxy takes SSH connections from this machine. */
export const sshPort = 2222;

/** What an operator adds to stack.yml to see a node's cache with ssh. */
const withSsh = `
version: "3.8"
services:
  proxy:
    ports: [{ target: 22, published: ${sshPort}, mode: host }]
`;

/** STALE_AFTER in seconds, as it is where nothing else is said. */
export const staleAfter = 3 * interval;

/** A swarm on whose nodes the project's image and the sample exporter are. */
export interface ProxySwarm {
  readonly lab: SwarmLab;
  /** The proxy of a node, at its published port. */
  client(node: SwarmNode): ProxyClient;
  /** Makes overlay networks that stacks and single containers can join. */
  createNetworks(...names: readonly string[]): Promise<void>;
  /** Deploys stack.yml as it is shipped, on further networks, and waits until each node's proxy is ready. */
  deployProxy(...networks: readonly string[]): Promise<void>;
  /** Waits until each proxy that talks to others is in touch with all of them. */
  untilInTouch(): Promise<void>;
  /** Removes stacks; resolves when their containers are gone. */
  removeStacks(...names: readonly string[]): Promise<void>;
  /** Waits until the proxies of these nodes have done their first scan and sync. */
  untilReady(nodes?: readonly SwarmNode[]): Promise<void>;
  /** What the last two proxies of a node wrote, or why that cannot be had. @param service stack.yml's unless told. */
  log(node: SwarmNode, service?: string): Promise<string>;
  /** The same of all nodes, for a person who looks into a failure. */
  logs(service?: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts the swarm and puts the images on each node. */
export async function startProxySwarm(options: SwarmOptions = {}): Promise<ProxySwarm> {
  const lab = await startSwarm(options);
  try {
    const engines = lab.nodes.map(({ engine }) => engine);
    await Promise.all([importProjectImage(...engines), ...engines.map(importSampleExporter)]);
    await Promise.all(engines.map(nameShippedImage));
    return proxySwarm(lab);
  } catch (error) {
    await lab.stop();
    throw error;
  }
}

function proxySwarm(lab: SwarmLab): ProxySwarm {
  const client = ({ address }: SwarmNode) => new ProxyClient(`http://${address}:2137`);
  const untilReady = async (nodes = lab.nodes) => {
    const statuses = () =>
      Promise.all(nodes.map(async (node) => (await client(node).get("/-/ready")).status));
    await until(statuses, (all) => all.every((status) => status === 200), "all proxies are ready");
  };
  return {
    lab,
    client,
    untilReady,
    async createNetworks(...names) {
      for (const name of names) {
        await lab.docker(["network", "create", "--driver", "overlay", "--attachable", name]);
      }
    },
    async deployProxy(...networks) {
      const settings = { SSHPASS: swarmSecret, SCRAPE_INTERVAL: String(interval) };
      const files = [shippedStack, joining(...networks), withSsh];
      await deployStack(lab.nodes[0]!.engine, "metrics", files, settings);
      await runningTasks(lab, proxyService, lab.nodes.length);
      await untilReady();
    },
    async untilInTouch() {
      const states = ["failing", "pending"].map((state) => `state="${state}"`);
      const apart = async () => {
        const counts = lab.nodes.flatMap((node) =>
          states.map((state) => client(node).ownMetric("app_metrics_proxy_peers", state)),
        );
        return Promise.all(counts);
      };
      await until(apart, (counts) => counts.every((count) => count === 0), "all proxies are in touch");
    },
    async removeStacks(...names) {
      await lab.docker(["stack", "rm", ...names]);
      // Not by `--detach=false`: with that Docker 28 counts what has ended in a way that may never come to its end.
      for (const name of names)
        await until(
          () => left(lab, name),
          ({ length }) => length === 0,
          `no container of ${name} is left`,
        );
    },
    log,
    async logs(service) {
      const logs = lab.nodes.map(async (node) => `${node.name}:\n${await log(node, service)}`);
      return (await Promise.all(logs)).join("\n");
    },
    stop: () => lab.stop(),
  };
}

/** The containers of a stack that run or are to run, on all nodes. */
async function left({ nodes }: SwarmLab, stack: string): Promise<string[]> {
  const filters = [`label=com.docker.stack.namespace=${stack}`, "status=created", "status=running"];
  const flags = filters.flatMap((filter) => ["--filter", filter]);
  const ids = await Promise.all(nodes.map(({ engine }) => engine.docker(["ps", "--quiet", ...flags])));
  return ids.flatMap((text) => text.split("\n")).filter(Boolean);
}

async function log({ engine }: SwarmNode, service = proxyService): Promise<string> {
  const filter = `label=com.docker.swarm.service.name=${service}`;
  try {
    const ids = await engine.docker(["ps", "--last", "2", "--quiet", "--filter", filter]);
    const logs = ids.split("\n").map((id) => engine.docker(["logs", id], { withErrors: true }));
    return (await Promise.all(logs)).reverse().join("\n\n");
  } catch (error) {
    return String(error);
  }
}
