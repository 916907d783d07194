import type { Machine } from "./machine.js";

const engineFiles = new Set(["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"]);

/**
 * Ids of containers whose files are mounted into this process, in the text of `/proc/self/mountinfo`. An engine
 * mounts a container's hostname, hosts and resolv.conf from its own `…/containers/<id>/`. Unlike the hostname
 * and the cgroup this holds in the host's network, with a set hostname, and under both cgroup versions.
 */
export function containerIdsIn(mountinfo: string): readonly string[] {
  const ids = new Set<string>();
  for (const line of mountinfo.split("\n")) {
    // Fields of proc(5): mount id, parent id, device, root within the file system, mount point, …
    const [, , , root = "", mountPoint = ""] = line.split(" ");
    if (!engineFiles.has(mountPoint)) continue;
    const id = /\/containers\/([0-9a-f]{64})\//.exec(root)?.[1];
    if (id !== undefined) ids.add(id);
  }
  return [...ids];
}

/**
 * Which of an engine's containers this process runs in, or undefined where it runs in none of them: by the
 * mounted files, else by a hostname that begins one container's id, as an engine sets it by default.
 */
export function findOwnContainer<T extends { readonly id: string }>(
  containers: ReadonlyMap<string, T>,
  machine: Pick<Machine, "mountinfo" | "hostname">,
): T | undefined {
  for (const id of containerIdsIn(machine.mountinfo)) {
    const own = containers.get(id);
    if (own !== undefined) return own;
  }
  if (!/^[0-9a-f]{12,64}$/.test(machine.hostname)) return undefined;
  const matches = [...containers.values()].filter(({ id }) => id.startsWith(machine.hostname));
  return matches.length === 1 ? matches[0] : undefined;
}
