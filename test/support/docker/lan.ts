import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Addresses, addressesOf, giveAddress, plugIn } from "./link.js";
import { type Namespace, openNamespace } from "./namespace.js";

const exec = promisify(execFile);

/**
 * A network that joins several nodes and this machine: a bridge in a place of its own, so that it vanishes with
 * the process of the tests, however that ends, and no firewall rule of the machine counts in it.
 */
export interface Lan {
  /**
   * Joins a node. It may be joined again, at the same address, once its old place is gone.
   *
   * @param number the node's, from 1 on; it makes the address.
   */
  connect(number: number, namespace: Namespace): Promise<Addresses>;
  /** Takes a node's cable down: nothing gets from it to the others or to this machine, nor back. */
  cut(number: number): Promise<void>;
  /** Takes it up again. */
  heal(number: number): Promise<void>;
  close(): Promise<void>;
}

const bridge = "lan";

/** Opens a network without nodes. Needs root. */
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
        // Of a place that is gone it lingers for a moment.
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
