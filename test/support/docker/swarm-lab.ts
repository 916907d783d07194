import { type Engine, startEngine } from "./engine.js";
import { type Lan, openLan } from "./lan.js";
import { removeLeftovers } from "./leftovers.js";
import { throughElections } from "./through-elections.js";
import { until } from "./until.js";

/** Milliseconds for the election of a leader; after a partition of a minute it can take more than a minute. */
const electionMs = 180_000;

/** A node of the lab: an engine in its own namespaces, and its connection to the network. */
export interface SwarmNode {
  readonly engine: Engine;
  /** Its hostname, `node-1` and so on. */
  readonly name: string;
  /** Its address, with its published ports, for this machine and the other nodes. */
  readonly address: string;
  /** Disconnects it; it and its containers continue to run. */
  cut(): Promise<void>;
  /** Connects it again. */
  heal(): Promise<void>;
  /** Its id in the swarm. */
  id(): Promise<string>;
}

/** A Docker Swarm of real engines on this machine. */
export interface SwarmLab {
  /** Managers first; the first one created the swarm. */
  readonly nodes: readonly SwarmNode[];
  /** Runs the Docker client on the first node; repeats the command while there is no leader. */
  docker: Engine["docker"];
  /** The output of `docker node ls` on the first node, by the name of the node. @throws Error without a quorum. */
  roles(): Promise<Record<string, NodeState>>;
  /** Waits until all nodes are ready. */
  allReady(): Promise<void>;
  /** Has a node join that is not in the swarm. */
  join(node: SwarmNode, role: "manager" | "worker"): Promise<void>;
  /** Ends all engines and containers, and the network. */
  stop(): Promise<void>;
}

export interface NodeState {
  /** Such as `Ready` and `Down`. */
  readonly status: string;
  /** `Leader`, `Reachable` or `Unreachable` for a manager, empty for a worker. */
  readonly manager: string;
}

export interface SwarmOptions {
  /** Default: 2. */
  readonly managers?: number;
  /** Default: 1. */
  readonly workers?: number;
}

/** Starts a swarm. Needs root, `dockerd` and about ten seconds. */
export async function startSwarm({ managers = 2, workers = 1 }: SwarmOptions = {}): Promise<SwarmLab> {
  await removeLeftovers();
  const lan = await openLan();
  const nodes: SwarmNode[] = [];
  const lab = labOf(lan, nodes);
  try {
    const numbers = Array.from({ length: managers + workers }, (_, index) => index + 1);
    const started = await Promise.allSettled(numbers.map((number) => startNode(lan, number)));
    nodes.push(...started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])));
    for (const one of started) if (one.status === "rejected") throw one.reason;
    await lab.docker(["swarm", "init", "--advertise-addr", nodes[0]!.address]);
    // One after the other: two managers that join at the same time can lose the quorum.
    for (const [index, node] of nodes.entries()) {
      if (index > 0) await lab.join(node, index < managers ? "manager" : "worker");
    }
    await lab.allReady();
    return lab;
  } catch (error) {
    await lab.stop();
    throw error;
  }
}

function labOf(lan: Lan, nodes: readonly SwarmNode[]): SwarmLab {
  const ask: Engine["docker"] = (args, options) => nodes[0]!.engine.docker(args, options);
  const docker: Engine["docker"] = (args, options) => throughElections(() => ask(args, options));
  const roles = async () => {
    const format = "{{.Hostname}} {{.Status}} {{.ManagerStatus}}";
    const lines = (await ask(["node", "ls", "--format", format])).split("\n");
    return Object.fromEntries(
      lines.map((line) => {
        const [name = "", status = "", manager = ""] = line.split(" ");
        return [name, { status, manager }];
      }),
    );
  };
  return {
    nodes,
    docker,
    roles,
    allReady: () =>
      until(
        roles,
        (states) =>
          nodes.every(({ name }) => states[name]?.status === "Ready") &&
          Object.values(states).every(({ manager }) => manager !== "Unreachable"),
        "all nodes of the swarm are ready",
        electionMs,
      ).then(() => undefined),
    async join(node, role) {
      const token = await docker(["swarm", "join-token", "--quiet", role]);
      await node.engine.docker(["swarm", "join", "--token", token, `${nodes[0]!.address}:2377`]);
    },
    async stop() {
      await Promise.all(nodes.map(({ engine }) => engine.stop()));
      await lan.close();
    },
  };
}

async function startNode(lan: Lan, number: number): Promise<SwarmNode> {
  const name = `node-${number}`;
  const engine = await startEngine({
    hostname: name,
    connect: (namespace) => lan.connect(number, namespace),
  });
  return {
    engine,
    name,
    address: engine.address,
    cut: () => lan.cut(number),
    heal: () => lan.heal(number),
    id: () => engine.docker(["info", "--format", "{{.Swarm.NodeID}}"]),
  };
}
