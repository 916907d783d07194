import { execFile, spawn } from "node:child_process";
import { cp, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Engine } from "./engine.js";
import { makeFolder, removeFolder } from "./leftovers.js";

const exec = promisify(execFile);

/**
 * Creates an image from a folder that `fill` writes, since tests cannot pull images.
 * `changes` are instructions of a Dockerfile, such as `CMD ["/bin/app"]`.
 */
export async function importImage(
  engine: Engine,
  name: string,
  changes: readonly string[],
  fill: (root: string) => Promise<void>,
): Promise<void> {
  const root = await makeFolder();
  try {
    await fill(root);
    await importFolder(engine, name, root, changes);
  } finally {
    await removeFolder(root);
  }
}

/** Creates an image from a folder. */
export async function importFolder(
  engine: Engine,
  name: string,
  root: string,
  changes: readonly string[] = [],
): Promise<void> {
  const tar = spawn("tar", ["--numeric-owner", "-C", root, "-c", "."], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await engine.docker(["import", ...changes.flatMap((change) => ["--change", change]), "-", name], {
    input: tar.stdout,
  });
}

/** Copies a program of this machine with its shared libraries into the root folder of an image. */
export async function addProgram(root: string, program: string, path = program): Promise<void> {
  const linked = await exec("ldd", [program]).then(
    ({ stdout }) => [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, library]) => library!),
    () => [], // Not a dynamic executable.
  );
  await addFile(root, program, path);
  for (const library of linked) await addFile(root, library, library);
}

async function addFile(root: string, from: string, path: string): Promise<void> {
  const to = join(root, path);
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { dereference: true });
}
