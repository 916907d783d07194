import { Readable } from "node:stream";
import type { SwarmNode } from "../../support/docker/swarm-lab.js";

/** A folder on each node that containers can mount, so that the tasks of one service can differ. */
export const folderOfThisNode = "/run/of-this-node";

/** Creates that folder, and writes a file into it, if given. */
export async function writeOfThisNode(
  { engine }: SwarmNode,
  file?: { readonly name: string; readonly content: Buffer | string },
): Promise<void> {
  const write = file === undefined ? "" : `; /bin/busybox cat > of-this-node/${file.name}`;
  const shell = ["/bin/busybox", "sh", "-c", `cd /host; /bin/busybox mkdir -p of-this-node${write}`];
  const run = ["run", "--rm", "--interactive", "--volume", "/run:/host", "sample-exporter", ...shell];
  await engine.docker(run, { input: Readable.from([file?.content ?? ""]) });
}
