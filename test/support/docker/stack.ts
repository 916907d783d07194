import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Engine } from "./engine.js";
import { projectImage } from "./project-image.js";
import { throughElections } from "./through-elections.js";

/** The project's stack.yml, as it is shipped. */
export const shippedStack = fileURLToPath(new URL("../../../stack.yml", import.meta.url));

/** The name of the image in it. */
export const shippedImage = "app-metrics-proxy:latest";

/**
 * Deploys a stack, as an operator does on a manager; nothing is asked of a registry. The swarm does the work after
 * this returns.
 *
 * @param files paths, or the texts of compose files (what has more than one line); the later ones override.
 * @param environment what `${…}` in them stand for.
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

/** Gives the project's image the name that stack.yml asks for. */
export async function nameShippedImage(engine: Engine): Promise<void> {
  await engine.docker(["tag", projectImage, shippedImage]);
}

/** The text of stack.yml without the comment sign before each line that is marked with this word. */
export async function uncommentedStack(mark: string): Promise<string> {
  const lines = (await readFile(shippedStack, "utf8")).split("\n");
  const marked = new RegExp(`^( *)# (.* # (?:\\w+, )*${mark}(?:, \\w+)*)$`);
  return lines.map((line) => line.replace(marked, "$1$2")).join("\n");
}

/** The text of stack.yml for an SSHPASS that is a Docker secret, changed as its comments say. */
export async function stackWithSecret(): Promise<string> {
  return (await uncommentedStack("secret")).replace(/^ *SSHPASS: .*\n/m, "");
}

/** What an operator changes in stack.yml for the stacks that are to be scraped: their networks. */
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
