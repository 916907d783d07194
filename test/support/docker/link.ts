import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Namespace } from "./namespace.js";

const exec = promisify(execFile);

/** The addresses of one engine, from the range reserved for benchmarks (RFC 2544). */
export interface Addresses {
  /** This machine, for the engine. */
  readonly machine: string;
  /** The node, for this machine: also the address of containers in the host's network. */
  readonly node: string;
  /** Address and prefix length of the default bridge, such as `198.18.1.1/24`. */
  readonly bridge: string;
  /** The range for user-defined networks. */
  readonly pool: string;
}

/** A veth pair between this machine and a namespace. It disappears with the namespace. */
export interface Cable {
  /** The name of the device in the namespace. */
  readonly inside: string;
  /** An address from the range of this cable. @param part below 16; part 0 needs no route. */
  at(part: number, host: number): string;
}

const slots = 16;

/** Device name in each namespace. */
const inside = "machine0";

/** Connects a namespace. The device on this machine is up and has the address `at(0, 1)`. */
export async function plugIn(namespace: Namespace): Promise<Cable> {
  for (let slot = 0; slot < slots; slot++) {
    const cable = `amp-test${slot}`;
    try {
      // This fails if another run uses the slot.
      await exec(
        "ip",
        ["link", "add", cable, "type", "veth", "peer", "name", inside].concat("netns", String(namespace.pid)),
      );
    } catch (error) {
      if (String(error).includes("File exists")) continue;
      throw error;
    }
    const at = (part: number, host: number) => `198.18.${slot * 16 + part}.${host}`;
    await exec("ip", ["address", "add", `${at(0, 1)}/24`, "dev", cable]);
    await exec("ip", ["link", "set", cable, "up"]);
    return { inside, at };
  }
  throw new Error(`${slots} test engines are already running`);
}

/**
 * Connects the network of an engine to this machine, with a route, so that processes here reach each container at its
 * own address, as on a real node.
 */
export async function connect(namespace: Namespace): Promise<Addresses> {
  const { at } = await plugIn(namespace);
  const addresses = addressesOf(at, 2);
  await exec("ip", ["route", "add", `${at(0, 0)}/20`, "via", addresses.node]);
  await giveAddress(namespace, addresses);
  return addresses;
}

/** The addresses of an engine. @param host the last number of its node's address, from 2. */
export function addressesOf(at: Cable["at"], host: number): Addresses {
  return { machine: at(0, 1), node: at(0, host), bridge: `${at(1, 1)}/24`, pool: `${at(8, 0)}/21` };
}

/**
 * Configures the device in the namespace of an engine. There is deliberately no default route: with one, the engine
 * would look for every image in a registry.
 */
export async function giveAddress(namespace: Namespace, { node }: Addresses): Promise<void> {
  await namespace.run("ip", "address", "add", `${node}/24`, "dev", inside);
  await namespace.run("ip", "link", "set", inside, "up");
  await namespace.run("ip", "link", "set", "lo", "up");
}

/** Allows connections from this machine to containers, which the firewall rules of the engine block otherwise. */
export async function allowFromMachine(namespace: Namespace): Promise<void> {
  await namespace.run("iptables", "-I", "DOCKER-USER", "-i", inside, "-j", "ACCEPT");
}
