import { afterAll, beforeAll, beforeEach, describe } from "vitest";
import { describeOnEngine } from "./requirements.js";
import { describeClocks } from "./swarm/clocks.js";
import { describeFaults } from "./swarm/faults.js";
import { describePredecessor } from "./swarm/predecessor.js";
import { type ProxySwarm, startProxySwarm } from "./swarm/proxy-swarm.js";
import { describeReplicas } from "./swarm/replicas.js";
import { describeRoles } from "./swarm/roles.js";

// One swarm for all, since it takes a while until its proxies are healthy. Each part removes its stacks.
describeOnEngine("stack.yml on a swarm of two managers and a worker", () => {
  let swarm: ProxySwarm;

  beforeAll(async () => {
    swarm = await startProxySwarm();
    await swarm.createNetworks("shop_net", "store_net");
    await swarm.deployProxy("shop_net", "store_net");
  });
  afterAll(() => swarm?.stop());
  beforeEach(({ onTestFailed }) => onTestFailed(async () => console.error(await swarm.logs())));

  describe("with replicas that come and go", () => describeReplicas(() => swarm));
  describe("whose nodes change their roles", () => describeRoles(() => swarm));
  describe("in which things break", () => describeFaults(() => swarm));
  describe("one of whose clocks is two hours ahead", () => describeClocks(() => swarm));
  describe("and what users of the predecessor have there", () => describePredecessor(() => swarm));
});
