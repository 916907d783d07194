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

const slots = 16;

/**
 * Joins the engine's network to this machine with a cable (a veth pair) and a route, so that a process here
 * reaches each container at its own address, as on a real node. Deliberately no default route: an engine that
 * believes in an internet asks it for every image. The cable vanishes with the namespace.
 */
export async function connect(namespace: Namespace): Promise<Addresses> {
  for (let slot = 0; slot < slots; slot++) {
    const cable = `amp-test${slot}`;
    try {
      // One name, one holder: this fails where another run has the slot.
      await exec(
        "ip",
        ["link", "add", cable, "type", "veth", "peer", "name", "machine0"].concat(
          "netns",
          String(namespace.pid),
        ),
      );
    } catch (error) {
      if (String(error).includes("File exists")) continue;
      throw error;
    }
    const at = (part: number, host: number) => `198.18.${slot * 16 + part}.${host}`;
    const addresses = {
      machine: at(0, 1),
      node: at(0, 2),
      bridge: `${at(1, 1)}/24`,
      pool: `${at(8, 0)}/21`,
    };
    await exec("ip", ["address", "add", `${addresses.machine}/24`, "dev", cable]);
    await exec("ip", ["link", "set", cable, "up"]);
    await exec("ip", ["route", "add", `${at(0, 0)}/20`, "via", addresses.node]);
    await namespace.run("ip", "address", "add", `${addresses.node}/24`, "dev", "machine0");
    await namespace.run("ip", "link", "set", "machine0", "up");
    await namespace.run("ip", "link", "set", "lo", "up");
    return addresses;
  }
  throw new Error(`${slots} test engines run already`);
}

/** Lets this machine reach the containers' own addresses, which the engine's rules keep from other machines. */
export async function allowFromMachine(namespace: Namespace): Promise<void> {
  await namespace.run("iptables", "-I", "DOCKER-USER", "-i", "machine0", "-j", "ACCEPT");
}
