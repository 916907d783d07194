import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Engine, startEngine } from "./engine.js";
import { withFileLock } from "./file-lock.js";
import { cacheFolder, importNodeImage } from "./node-image.js";

const exec = promisify(execFile);
const project = fileURLToPath(new URL("../../../", import.meta.url));

/** The image of this project. */
export const projectImage = "app-metrics-proxy:test";

/**
 * Loads the image of this project into engines. An engine in the network of this machine builds it from the Dockerfile;
 * the result is cached until the sources change.
 */
export async function importProjectImage(...engines: readonly Engine[]): Promise<void> {
  const archives = join(cacheFolder, "project-images");
  const archive = join(archives, `${await contentHash()}.tar`);
  await mkdir(archives, { recursive: true });
  await withFileLock(join(cacheFolder, "project-images.lock"), async () => {
    if (existsSync(archive)) return;
    const unfinished = join(archives, "unfinished");
    await buildTo(unfinished);
    const outdated = await readdir(archives);
    await rename(unfinished, archive);
    await Promise.all(outdated.map((name) => rm(join(archives, name), { force: true })));
  });
  await Promise.all(engines.map((engine) => engine.docker(["load"], { input: createReadStream(archive) })));
}

async function buildTo(archive: string): Promise<void> {
  const builder = await startEngine({ network: "machine" });
  try {
    await importNodeImage(builder);
    const args = Object.entries(await buildArguments()).flatMap((pair) => ["--build-arg", pair.join("=")]);
    await builder.docker(["build", "--network", "host", "--tag", projectImage, ...args, project]);
    await builder.docker(["save", "--output", archive, projectImage]);
  } finally {
    await builder.stop();
  }
}

/** Access to the npm registry on this machine: its address, added certificates and proxies. */
async function buildArguments(): Promise<Record<string, string>> {
  const registry = (await exec("npm", ["config", "get", "registry"])).stdout.trim();
  const folder = "/usr/local/share/ca-certificates";
  const names = existsSync(folder) ? (await readdir(folder)).filter((name) => name.endsWith(".crt")) : [];
  const certificates = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  const proxies = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
  return {
    NPM_CONFIG_REGISTRY: registry,
    CA_CERTIFICATES: certificates.join("\n"),
    ...Object.fromEntries(proxies.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
  };
}

async function contentHash(): Promise<string> {
  const hash = createHash("sha256");
  const tops = [".dockerignore", ".npmrc", "Dockerfile", "package-lock.json", "package.json"];
  const sources = await readdir(join(project, "src"), { recursive: true, withFileTypes: true });
  const files = sources.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const settings = ["tsconfig.json", "tsconfig.build.json"];
  for (const file of [...[...tops, ...settings].map((name) => join(project, name)), ...files.sort()]) {
    hash
      .update(`${file.slice(project.length)}\0`)
      .update(await readFile(file))
      .update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}
