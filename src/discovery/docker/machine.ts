import { readFile } from "node:fs/promises";
import { hostname } from "node:os";

/** What this process sees of the machine or container that it runs in. */
export interface Machine {
  /** Text of `/proc/self/mountinfo`; empty where there is none. */
  readonly mountinfo: string;
  /** Text of `/proc/net/route`; empty where there is none. */
  readonly routes: string;
  readonly hostname: string;
}

/** Reads what is there now. Systems without `/proc` have neither containers of their own nor its files. */
export async function readMachine(): Promise<Machine> {
  const textOf = (path: string) => readFile(path, "utf8").catch(() => "");
  const [mountinfo, routes] = await Promise.all([textOf("/proc/self/mountinfo"), textOf("/proc/net/route")]);
  return { mountinfo, routes, hostname: hostname() };
}
