import type { Engine } from "./engine.js";

export interface ContainerOptions {
  readonly name: string;
  /** A network's name; the engine's default bridge unless told. */
  readonly network?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** What takes the place of the image's command. */
  readonly command?: readonly string[];
  /** Further options of `docker run`. */
  readonly flags?: readonly string[];
}

/** Starts a container; answers its id. */
export function runContainer(engine: Engine, image: string, options: ContainerOptions): Promise<string> {
  const { name, network, labels = {}, environment = {}, command = [], flags = [] } = options;
  return engine.docker([
    ...["run", "--detach", "--name", name],
    // A container's first process ignores SIGTERM unless it says otherwise: each stop would take ten seconds.
    ...["--stop-signal", "KILL"],
    ...(network === undefined ? [] : ["--network", network]),
    ...Object.entries(labels).flatMap(([label, value]) => ["--label", `${label}=${value}`]),
    ...Object.entries(environment).flatMap(([variable, value]) => ["--env", `${variable}=${value}`]),
    ...flags,
    image,
    ...command,
  ]);
}

/** Ends containers without mercy and removes them. */
export async function removeContainers(engine: Engine, ...names: readonly string[]): Promise<void> {
  await engine.docker(["rm", "--force", "--volumes", ...names]);
}

/** A container's address on one of its networks. */
export function addressOf(engine: Engine, name: string, network = "bridge"): Promise<string> {
  const template = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
  return engine.docker(["inspect", "--format", template, name]);
}
