import { type Engine, startEngine } from "./engine.js";
import { type Lan, openLan } from "./lan.js";
import { removeLeftovers } from "./leftovers.js";
import { throughElections } from "./through-elections.js";
import { until } from "./until.js";

/** Milliseconds that the managers may need to choose a leader; after a cut of a minute it has taken more than one. */
const electionMs = 180_000;

/** A node of the lab: an engine in places of its own, and its cable. */
export interface SwarmNode {
  readonly engine: Engine;
  /** Its hostname, `node-1` and so on. */
  readonly name: string;
  /** Where this machine and the other nodes reach it, and so its published ports. */
  readonly address: string;
  /** Pulls out its cable: it and its containers go on, alone. */
  cut(): Promise<void>;
  /** Plugs it in again. */
  heal(): Promise<void>;
  /** Its id in the swarm. */
  id(): Promise<string>;
}

/** A Docker Swarm of real engines on this machine. */
export interface SwarmLab {
  /** Managers first; the first one has begun the swarm. */
  readonly nodes: readonly SwarmNode[];
  /** Runs the Docker client on the first node, as an operator does, who tries again where there is no leader. */
  docker: Engine["docker"];
  /** What a node's `docker node ls` says of each node, by its name. @throws Error where there is no quorum. */
  roles(): Promise<Record<string, NodeState>>;
  /** Waits until the swarm sees all nodes as ready. */
  allReady(): Promise<void>;
  /** Makes a node join (again), as one that has never been in it or has left. */
  join(node: SwarmNode, role: "manager" | "worker"): Promise<void>;
  /** Ends all engines with all that runs on them, and the network. */
  stop(): Promise<void>;
}

export interface NodeState {
  /** Such as `Ready` and `Down`. */
  readonly status: string;
  /** `Leader`, `Reachable` or `Unreachable` for a manager, empty for a worker. */
  readonly manager: string;
}

export interface SwarmOptions {
  /** 2 unless told. */
  readonly managers?: number;
  /** 1 unless told. */
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
    // One after the other: two managers that join at once may find no quorum.
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
        "the swarm has all its nodes",
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
