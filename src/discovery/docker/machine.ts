import { readFile } from "node:fs/promises";
import { hostname } from "node:os";

/** Facts about the machine or container that this process runs in. */
export interface Machine {
  /** Contents of `/proc/self/mountinfo`; empty on a system without it. */
  readonly mountinfo: string;
  /** Contents of `/proc/net/route`; empty on a system without it. */
  readonly routes: string;
  readonly hostname: string;
}

/** Reads the current facts. */
export async function readMachine(): Promise<Machine> {
  const textOf = (path: string) => readFile(path, "utf8").catch(() => "");
  const [mountinfo, routes] = await Promise.all([textOf("/proc/self/mountinfo"), textOf("/proc/net/route")]);
  return { mountinfo, routes, hostname: hostname() };
}

const up = 0x1;
const gateway = 0x2;

/**
 * The IPv4 default gateway in `/proc/net/route`: of the default routes that are up and have a gateway, the one with
 * the lowest metric. The kernel writes addresses as hexadecimal, little-endian words (see proc(5)).
 */
export function defaultGateway(routes: string): string | undefined {
  let best: { readonly address: string; readonly metric: number } | undefined;
  for (const line of routes.split("\n").slice(1)) {
    const [, destination, via, flagsHex, , , metricText, mask] = line.trim().split(/\s+/);
    if (destination !== "00000000" || mask !== "00000000" || !/^[0-9A-Fa-f]{8}$/.test(via ?? "")) continue;
    const flags = Number.parseInt(flagsHex ?? "", 16);
    if ((flags & (up | gateway)) !== (up | gateway)) continue;
    const metric = Number(metricText);
    if (best === undefined || metric < best.metric) best = { address: dotted(via ?? ""), metric };
  }
  return best?.address;
}

function dotted(word: string): string {
  const bytes = word.match(/../g) ?? [];
  return bytes
    .reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join(".");
}
