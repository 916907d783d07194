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

/** SSHPASS of all proxies. */
export const swarmSecret = "a secret for this swarm";

/** Full name of the service of stack.yml, deployed as stack `metrics`. */
export const proxyService = "metrics_proxy";

/** SCRAPE_INTERVAL in seconds. */
export const interval = 2;

/** The port at which the SSH server of each node's proxy is published. */
export const sshPort = 2222;

/** The change to stack.yml that lets people export a node's cache with ssh. */
const withSsh = `
version: "3.8"
services:
  proxy:
    ports: [{ target: 22, published: ${sshPort}, mode: host }]
`;

/** The change to stack.yml that adds environment variables. */
const withSettings = (settings: Readonly<Record<string, string>>) => `
version: "3.8"
services:
  proxy:
    environment: ${JSON.stringify(settings)}
`;

/** Default of STALE_AFTER in seconds. */
export const staleAfter = 3 * interval;

/** A swarm whose nodes have the project's image and the sample exporter. */
export interface ProxySwarm {
  readonly lab: SwarmLab;
  /** The proxy of a node, at its published port. */
  client(node: SwarmNode): ProxyClient;
  /** Creates overlay networks that stacks and single containers can join. */
  createNetworks(...names: readonly string[]): Promise<void>;
  /**
   * Deploys stack.yml on further networks, and waits until each node's proxy is ready.
   *
   * @param settings environment variables to add to stack.yml.
   */
  deployProxy(networks: readonly string[], settings?: Readonly<Record<string, string>>): Promise<void>;
  /** Waits until all proxies have links to all their peers. */
  untilConnected(): Promise<void>;
  /** Removes stacks, and waits until their containers have ended. */
  removeStacks(...names: readonly string[]): Promise<void>;
  /** Waits until the proxies of these nodes are ready. */
  untilReady(nodes?: readonly SwarmNode[]): Promise<void>;
  /** The logs of a node's last two proxies, or the error. @param service that of stack.yml by default. */
  log(node: SwarmNode, service?: string): Promise<string>;
  /** The same of all nodes, to analyse a failure. */
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
    async deployProxy(networks, settings = {}) {
      const variables = { SSHPASS: swarmSecret, SCRAPE_INTERVAL: String(interval) };
      const files = [shippedStack, joining(...networks), withSsh];
      if (Object.keys(settings).length > 0) files.push(withSettings(settings));
      await deployStack(lab.nodes[0]!.engine, "metrics", files, variables);
      await runningTasks(lab, proxyService, lab.nodes.length);
      await untilReady();
    },
    async untilConnected() {
      const states = ["failing", "pending"].map((state) => `state="${state}"`);
      const unconnected = async () => {
        const counts = lab.nodes.flatMap((node) =>
          states.map((state) => client(node).ownMetric("app_metrics_proxy_peers", state)),
        );
        return Promise.all(counts);
      };
      const isZero = (count: number) => count === 0;
      await until(unconnected, (counts) => counts.every(isZero), "all proxies are connected");
    },
    async removeStacks(...names) {
      await lab.docker(["stack", "rm", ...names]);
      // Not with `--detach=false`: Docker 28 may then wait forever.
      for (const name of names)
        await until(
          () => left(lab, name),
          ({ length }) => length === 0,
          `all containers of ${name} have ended`,
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
