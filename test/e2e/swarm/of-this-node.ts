import { Readable } from "node:stream";
import type { SwarmNode } from "../../support/docker/swarm-lab.js";

/** A folder of each node that its containers can mount: a way to let the tasks of one service differ. */
export const folderOfThisNode = "/run/of-this-node";

/** Writes a file into that folder. The folder is there from then on, also where there is no file to write. */
export async function writeOfThisNode(
  { engine }: SwarmNode,
  file?: { readonly name: string; readonly content: Buffer | string },
): Promise<void> {
  const write = file === undefined ? "" : `; /bin/busybox cat > of-this-node/${file.name}`;
  const shell = ["/bin/busybox", "sh", "-c", `cd /host; /bin/busybox mkdir -p of-this-node${write}`];
  const run = ["run", "--rm", "--interactive", "--volume", "/run:/host", "sample-exporter", ...shell];
  await engine.docker(run, { input: Readable.from([file?.content ?? ""]) });
}
