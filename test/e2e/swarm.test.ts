import { afterAll, beforeAll, beforeEach, describe } from "vitest";
import { describeOnEngine } from "./requirements.js";
import { describeClocks } from "./swarm/clocks.js";
import { describeConvergence } from "./swarm/convergence.js";
import { describeFaults } from "./swarm/faults.js";
import { describePredecessor } from "./swarm/predecessor.js";
import { type ProxySwarm, startProxySwarm } from "./swarm/proxy-swarm.js";
import { describeReplicas } from "./swarm/replicas.js";
import { describeRoles } from "./swarm/roles.js";

// All parts share one swarm, since starting one takes a while. Each part removes its stacks.
describeOnEngine("stack.yml on a swarm of two managers and a worker", () => {
  let swarm: ProxySwarm;

  beforeAll(async () => {
    swarm = await startProxySwarm();
    await swarm.createNetworks("shop_net", "store_net");
    await swarm.deployProxy(["shop_net", "store_net"]);
  });
  afterAll(() => swarm?.stop());
  beforeEach(({ onTestFailed }) => onTestFailed(async () => console.error(await swarm.logs())));

  describe("with replicas that start, move and end", () => describeReplicas(() => swarm));
  describe("whose nodes change their roles", () => describeRoles(() => swarm));
  describe("with failures", () => describeFaults(() => swarm));
  describe("with one clock two hours ahead", () => describeClocks(() => swarm));
  describe("with the compose file of the predecessor", () => describePredecessor(() => swarm));
});

describeOnEngine("stack.yml on a swarm of two managers and two workers", describeConvergence);
