import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Engine } from "./engine.js";
import { importFolder } from "./import.js";
import { makeFolder, removeLeftovers } from "./leftovers.js";

const exec = promisify(execFile);

/** A folder outside the project for images, which take long to build and need the package mirrors. */
export const cacheFolder = process.env["TEST_CACHE_DIR"] ?? "/var/cache/app-metrics-proxy-tests";

/** The base image of the Dockerfile. */
export const nodeImage = "node:24-bookworm-slim";

/**
 * Builds the base image of the Dockerfile without an image registry: from Debian packages, and the npm packages of Node
 * and npm. The first time takes about a minute.
 */
export async function importNodeImage(engine: Engine): Promise<void> {
  const root = join(cacheFolder, "node-24-bookworm");
  if (!existsSync(root)) {
    await mkdir(cacheFolder, { recursive: true });
    await removeLeftovers(cacheFolder);
    // Renamed when it is complete.
    const unfinished = await makeFolder(cacheFolder);
    await chmod(unfinished, 0o755);
    await installDebian(unfinished);
    await installNode(unfinished);
    await rename(unfinished, root);
  }
  await importFolder(engine, nodeImage, root, [`CMD ["node"]`, "ENV LANG=C.UTF-8"]);
}

async function installDebian(root: string): Promise<void> {
  const mirror = await debianMirror();
  const packages = "--include=ca-certificates,libstdc++6";
  await exec("debootstrap", ["--variant=minbase", packages, "bookworm", root, ...mirror], { maxBuffer: 1e8 });
  await Promise.all(
    ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"].map((path) =>
      rm(join(root, path), { recursive: true, force: true }),
    ),
  );
}

/** The package mirror of this machine, if it is a Debian; otherwise debootstrap uses its default. */
async function debianMirror(): Promise<string[]> {
  const format = ["--format", "$(REPO_URI)", "Codename: bookworm", "Label: Debian", "Component: main"];
  const { stdout } = await exec("apt-get", ["indextargets", ...format]).catch(() => ({ stdout: "" }));
  return stdout.split("\n").slice(0, 1).filter(Boolean);
}

async function installNode(root: string): Promise<void> {
  const prefix = join(root, "usr/local");
  await unpackPackage(`node-linux-${process.arch}@24`, join(root, "tmp/node"));
  await rename(join(root, "tmp/node/bin/node"), join(prefix, "bin/node"));
  await rm(join(root, "tmp/node"), { recursive: true });
  const npm = join(prefix, "lib/node_modules/npm");
  await unpackPackage("npm@11", npm);
  for (const command of ["npm", "npx"]) {
    const script = `lib/node_modules/npm/bin/${command}-cli.js`;
    await chmod(join(prefix, script), 0o755);
    await symlink(`../${script}`, join(prefix, "bin", command));
  }
}

async function unpackPackage(name: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await exec("npm", ["pack", "--silent", "--pack-destination", to, name], { cwd: to });
  const archive = (await readdir(to)).find((file) => file.endsWith(".tgz"))!;
  await exec("tar", ["-xzf", join(to, archive), "--strip-components=1", "-C", to]);
  await rm(join(to, archive));
}
