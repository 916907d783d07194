import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Engine } from "./engine.js";
import { projectImage } from "./project-image.js";
import { throughElections } from "./through-elections.js";

/** The path of stack.yml. */
export const shippedStack = fileURLToPath(new URL("../../../stack.yml", import.meta.url));

/** The image name in stack.yml. */
export const shippedImage = "app-metrics-proxy:latest";

/**
 * Deploys a stack on a manager, without a registry. Does not wait for the tasks.
 *
 * @param files paths, or contents of compose files (strings with several lines); later ones override earlier ones.
 * @param environment values of `${…}` in the files.
 */
export async function deployStack(
  engine: Pick<Engine, "docker">,
  name: string,
  files: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "app-metrics-proxy-stack-"));
  try {
    const paths = files.map(async (file, index) => {
      if (!file.includes("\n")) return file;
      const path = join(folder, `${index}.yml`);
      await writeFile(path, file);
      return path;
    });
    const flags = (await Promise.all(paths)).flatMap((path) => ["--compose-file", path]);
    const command = ["stack", "deploy", "--resolve-image", "never", ...flags, name];
    await throughElections(() => engine.docker(command, { environment }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Tags the image of this project with the name in stack.yml. */
export async function nameShippedImage(engine: Engine): Promise<void> {
  await engine.docker(["tag", projectImage, shippedImage]);
}

/** The content of stack.yml, with the lines uncommented that are marked with this word. */
export async function uncommentedStack(mark: string): Promise<string> {
  const lines = (await readFile(shippedStack, "utf8")).split("\n");
  const marked = new RegExp(`^( *)# (.* # (?:\\w+, )*${mark}(?:, \\w+)*)$`);
  return lines.map((line) => line.replace(marked, "$1$2")).join("\n");
}

/** The content of stack.yml for SSHPASS as a Docker secret, changed as its comments describe. */
export async function stackWithSecret(): Promise<string> {
  return (await uncommentedStack("secret")).replace(/^ *SSHPASS: .*\n/m, "");
}

/** The change to stack.yml that adds the networks of the stacks to scrape. */
export function joining(...networks: readonly string[]): string {
  return `
version: "3.8"
services:
  proxy:
    networks: [${["peers", ...networks].join(", ")}]
networks:
${networks.map((network) => `  ${network}: { external: true }`).join("\n")}
`;
}
