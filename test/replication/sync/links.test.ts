import { afterEach, describe, expect, it } from "vitest";
import { hello } from "./hello.js";
import { Simulation } from "./simulation.js";

let simulation: Simulation;
afterEach(() => simulation.dispose());

describe("two links between the same nodes", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])("leave exactly one, the same on both ends (order %i)", async (seed) => {
    simulation = new Simulation(seed);
    const a = simulation.add("a", { instances: ["1"] });
    const b = simulation.add("b", { instances: ["2"] });
    simulation.dial(a, b);
    simulation.dial(b, a);
    await simulation.advance(5000, false);
    await simulation.advance(5000);
    expect(simulation.connections).toHaveLength(1);
    const [{ links }] = simulation.connections as [(typeof simulation.connections)[0]];
    expect([...a.running.links.open(), ...b.running.links.open()]).toEqual(links);
    expect(links[0].dialled).toBe(true);
  });
});

describe("REPLICATE_TO=managers", () => {
  it("closes links between workers", async () => {
    simulation = new Simulation();
    const node = simulation.add("w", { manager: false, replicateTo: "managers" });
    const peer = simulation.raw(node);
    await peer.channels.send(hello("v", "i-v", false));
    await simulation.deliver();
    expect(peer.error?.reason).toBe("closed");
  });
});
