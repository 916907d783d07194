import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Addresses, addressesOf, giveAddress, plugIn } from "./link.js";
import { type Namespace, openNamespace } from "./namespace.js";

const exec = promisify(execFile);

/**
 * A network of several nodes and this machine: a bridge in its own namespace. It disappears with the process of the
 * tests, however that ends, and the firewall of this machine does not apply to it.
 */
export interface Lan {
  /**
   * Connects a node. After its namespace has ended, it can be connected again, at the same address.
   *
   * @param number of the node, from 1; it determines the address.
   */
  connect(number: number, namespace: Namespace): Promise<Addresses>;
  /** Disconnects a node from the others and from this machine. */
  cut(number: number): Promise<void>;
  /** Connects it again. */
  heal(number: number): Promise<void>;
  close(): Promise<void>;
}

const bridge = "lan";

/** Creates a network without nodes. Needs root. */
export async function openLan(): Promise<Lan> {
  const place = await openNamespace("lan", "own");
  const ip = (...args: string[]) => place.run("ip", ...args);
  const setPort = (number: number, state: "up" | "down") => ip("link", "set", `port${number}`, state);
  try {
    const { inside, at } = await plugIn(place);
    await ip("link", "add", bridge, "type", "bridge");
    await ip("link", "set", inside, "master", bridge);
    for (const device of [inside, bridge]) await ip("link", "set", device, "up");
    return {
      async connect(number, namespace) {
        const port = `port${number}`;
        // The port of an ended namespace can remain for a moment.
        await ip("link", "delete", port).catch(() => undefined);
        const ends = [
          ["name", port, "netns", String(place.pid)],
          ["type", "veth", "peer", "name", inside, "netns", String(namespace.pid)],
        ];
        await exec("ip", ["link", "add", ...ends.flat()]);
        await ip("link", "set", port, "master", bridge);
        await setPort(number, "up");
        const addresses = addressesOf(at, number + 1);
        await giveAddress(namespace, addresses);
        return addresses;
      },
      cut: async (number) => void (await setPort(number, "down")),
      heal: async (number) => void (await setPort(number, "up")),
      close: () => place.close(),
    };
  } catch (error) {
    await place.close();
    throw error;
  }
}
