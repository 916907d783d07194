import type { SshCommand } from "./ssh/server-connection.js";

/** `status`: what a node knows of itself and its peers, as JSON for a person. */
export function createStatusCommand(status: () => object): SshCommand {
  return async (stream) => {
    stream.write(`${JSON.stringify(status(), undefined, 2)}\n`);
  };
}
