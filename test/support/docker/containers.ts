import type { Engine } from "./engine.js";

export interface ContainerOptions {
  readonly name: string;
  /** Name of the network. Default: the default bridge. */
  readonly network?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** Replaces the command of the image. */
  readonly command?: readonly string[];
  /** Further options of `docker run`. */
  readonly flags?: readonly string[];
}

/** Starts a container. Returns its id. */
export function runContainer(engine: Engine, image: string, options: ContainerOptions): Promise<string> {
  const { name, network, labels = {}, environment = {}, command = [], flags = [] } = options;
  return engine.docker([
    ...["run", "--detach", "--name", name],
    // Process 1 of a container ignores SIGTERM by default: each stop would take ten seconds.
    ...["--stop-signal", "KILL"],
    ...(network === undefined ? [] : ["--network", network]),
    ...Object.entries(labels).flatMap(([label, value]) => ["--label", `${label}=${value}`]),
    ...Object.entries(environment).flatMap(([variable, value]) => ["--env", `${variable}=${value}`]),
    ...flags,
    image,
    ...command,
  ]);
}

/** Kills and removes containers. */
export async function removeContainers(engine: Engine, ...names: readonly string[]): Promise<void> {
  await engine.docker(["rm", "--force", "--volumes", ...names]);
}

/** The address of a container on one of its networks. */
export function addressOf(engine: Engine, name: string, network = "bridge"): Promise<string> {
  const template = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
  return engine.docker(["inspect", "--format", template, name]);
}
