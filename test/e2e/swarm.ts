import { importSampleExporter } from "../support/docker/images.js";
import { importProjectImage } from "../support/docker/project-image.js";
import { deployStack, joining, nameShippedImage, shippedStack } from "../support/docker/stack.js";
import { type SwarmLab, type SwarmNode, type SwarmOptions, startSwarm } from "../support/docker/swarm-lab.js";
import { runningTasks } from "../support/docker/tasks.js";
import { until } from "../support/docker/until.js";
import { ProxyClient } from "./proxy-client.js";

/** What all proxies of a test share. */
export const swarmSecret = "a secret for this swarm";

/** SCRAPE_INTERVAL in seconds; STALE_AFTER is three times that. */
export const interval = 2;

/** A swarm on whose nodes the project's image and the sample exporter are. */
export interface ProxySwarm {
  readonly lab: SwarmLab;
  /** The proxy of a node, at its published port. */
  client(node: SwarmNode): ProxyClient;
  /** Makes overlay networks that stacks and single containers can join. */
  createNetworks(...names: readonly string[]): Promise<void>;
  /** Deploys stack.yml as it is shipped, on further networks, and waits until each node's proxy is ready. */
  deployProxy(networks: readonly string[], environment?: Readonly<Record<string, string>>): Promise<void>;
  /** Waits until the proxies of these nodes have done their first scan and sync. */
  untilReady(nodes?: readonly SwarmNode[]): Promise<void>;
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
    async deployProxy(networks, environment = {}) {
      const settings = { SSHPASS: swarmSecret, SCRAPE_INTERVAL: String(interval), ...environment };
      await deployStack(lab.nodes[0]!.engine, "metrics", [shippedStack, joining(...networks)], settings);
      await runningTasks(lab, "metrics_proxy", lab.nodes.length);
      await untilReady();
    },
    stop: () => lab.stop(),
  };
}

/**
 * The command of a service whose every container tells who it is: `app_info{container="<the beginning of its id>",
 * version="<VERSION>"}`, on port 8080.
 */
export const tellsItself = `["/bin/busybox", "sh", "-c", "/bin/busybox printf '# HELP app_info Who this is.\\\\n# TYPE app_info gauge\\\\napp_info{container=\\"%s\\",version=\\"%s\\"} 1\\\\n' $$HOSTNAME $$VERSION > /www/metrics; exec /bin/busybox httpd -f -p 8080 -h /www"]`;
