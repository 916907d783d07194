import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** What the Docker client is given. */
export interface ClientOptions {
  /** Its standard input; none unless told. */
  readonly input?: Readable;
  /** Variables beside those of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether what it writes to its standard error is part of the answer, as of `docker logs`. */
  readonly withErrors?: boolean;
}

/**
 * Runs the Docker client and answers what it prints, trimmed.
 *
 * @param settings a folder of the tests' own for what the client keeps.
 * @throws Error with what it says, where it fails.
 */
export async function runClient(
  { host, settings }: { readonly host: string; readonly settings: string },
  args: readonly string[],
  { input, environment, withErrors = false }: ClientOptions = {},
): Promise<string> {
  const child = spawn("docker", args, {
    // A developer's own settings and contexts stay out; the classic builder needs no plugin.
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
  const complaints: Buffer[] = [];
  child.stdout!.on("data", (data: Buffer) => output.push(data));
  child.stderr!.on("data", (data: Buffer) => (withErrors ? output : complaints).push(data));
  const closed = once(child, "close");
  // A client that ends early breaks the pipe; what it says tells more than that.
  if (input) await pipeline(input, child.stdin!).catch(() => {});
  const [code] = await closed;
  if (code === 0) return Buffer.concat(output).toString().trim();
  const said = Buffer.concat([...output.slice(-20), ...complaints])
    .toString()
    .trim();
  throw new Error(`docker ${args.join(" ").slice(0, 200)} ended with code ${code}: ${said}`);
}
