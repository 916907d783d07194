import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Namespace } from "./namespace.js";

const exec = promisify(execFile);

/** The addresses of one engine, out of the range that is reserved for tests between networks (RFC 2544). */
export interface Addresses {
  /** The machine as the engine sees it. */
  readonly machine: string;
  /** The engine's node as the machine sees it: where containers in the host's network are reached. */
  readonly node: string;
  /** Address and width of the default bridge, such as `198.18.1.1/24`. */
  readonly bridge: string;
  /** Where user-defined networks take theirs from. */
  readonly pool: string;
}

/** A cable (a veth pair) from this machine into a place. It vanishes with the place. */
export interface Cable {
  /** The name of the end inside. */
  readonly inside: string;
  /** An address out of the cable's own range: `part` below 16; part 0 is what is reached without a route. */
  at(part: number, host: number): string;
}

const slots = 16;

/** The end of each cable that is inside. */
const inside = "machine0";

/** Plugs in a cable; this end is up and has the address `at(0, 1)`. */
export async function plugIn(namespace: Namespace): Promise<Cable> {
  for (let slot = 0; slot < slots; slot++) {
    const cable = `amp-test${slot}`;
    try {
      // One name, one holder: this fails where another run has the slot.
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
  throw new Error(`${slots} test engines run already`);
}

/**
 * Joins the engine's network to this machine with a cable and a route, so that a process here reaches each
 * container at its own address, as on a real node.
 */
export async function connect(namespace: Namespace): Promise<Addresses> {
  const { at } = await plugIn(namespace);
  const addresses = addressesOf(at, 2);
  await exec("ip", ["route", "add", `${at(0, 0)}/20`, "via", addresses.node]);
  await giveAddress(namespace, addresses);
  return addresses;
}

/** What an engine has at a cable. @param host the last number of its node's address, from 2 on. */
export function addressesOf(at: Cable["at"], host: number): Addresses {
  return { machine: at(0, 1), node: at(0, host), bridge: `${at(1, 1)}/24`, pool: `${at(8, 0)}/21` };
}

/**
 * Sets up an engine's end of its cable. Deliberately no default route: an engine that believes in an internet asks
 * it for every image.
 */
export async function giveAddress(namespace: Namespace, { node }: Addresses): Promise<void> {
  await namespace.run("ip", "address", "add", `${node}/24`, "dev", inside);
  await namespace.run("ip", "link", "set", inside, "up");
  await namespace.run("ip", "link", "set", "lo", "up");
}

/** Lets this machine reach the containers' own addresses, which the engine's rules keep from other machines. */
export async function allowFromMachine(namespace: Namespace): Promise<void> {
  await namespace.run("iptables", "-I", "DOCKER-USER", "-i", inside, "-j", "ACCEPT");
}
