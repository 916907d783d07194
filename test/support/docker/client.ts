import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Input of the Docker client. */
export interface ClientOptions {
  /** Standard input. Default: none. */
  readonly input?: Readable;
  /** Environment variables in addition to those of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether the result includes standard error, for `docker logs`. */
  readonly withErrors?: boolean;
}

/**
 * Runs the Docker client. Returns its output, trimmed.
 *
 * @param settings a folder for the files of the client.
 * @throws Error with its output if it fails.
 */
export async function runClient(
  { host, settings }: { readonly host: string; readonly settings: string },
  args: readonly string[],
  { input, environment, withErrors = false }: ClientOptions = {},
): Promise<string> {
  const child = spawn("docker", args, {
    // Without the settings and contexts of the developer. The classic builder needs no plugin.
    env: {
      ...process.env,
      DOCKER_HOST: host,
      DOCKER_CONFIG: settings,
      DOCKER_BUILDKIT: "0",
      ...environment,
    },
    stdio: [input ? "pipe" : "ignore", "pipe", "pipe"],
  });
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout!.on("data", (data: Buffer) => output.push(data));
  child.stderr!.on("data", (data: Buffer) => (withErrors ? output : errors).push(data));
  const closed = once(child, "close");
  // A client that exits early breaks the pipe; its output has the reason.
  if (input) await pipeline(input, child.stdin!).catch(() => {});
  const [code] = await closed;
  if (code === 0) return Buffer.concat(output).toString().trim();
  const message = Buffer.concat([...output.slice(-20), ...errors])
    .toString()
    .trim();
  throw new Error(`docker ${args.join(" ").slice(0, 200)} ended with code ${code}: ${message}`);
}
