import { readFileSync } from "node:fs";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { join } from "node:path";
import Dockerode from "dockerode";
import type { DockerConfig } from "../../config/config.js";
import { ConfigError, describeError } from "../../errors.js";

/** A client of one engine. */
export interface DockerClient {
  readonly docker: Dockerode;
  /** For messages, such as `unix:///var/run/docker.sock`; without user and password. */
  readonly endpoint: string;
}

const localSocket =
  process.platform === "win32" ? "npipe:////./pipe/docker_engine" : "unix:///var/run/docker.sock";

/**
 * Creates a client, without connecting. The engine chooses the API version. Each request opens a connection, because
 * the first request on a kept connection would fail after a restart of the engine.
 *
 * @throws ConfigError with the name of the variable if a value or a certificate file is invalid.
 */
export function createDockerClient(options: DockerConfig): DockerClient {
  const host = options.host || localSocket;
  const [, kind = "tcp", rest = host] = /^([a-z]+):\/\/(.*)$/is.exec(host) ?? [];
  switch (kind.toLowerCase()) {
    case "unix":
    case "npipe": {
      const socketPath = rest || localSocket.replace(/^\w+:\/\//, "");
      return { docker: dockerode({ socketPath }), endpoint: `${kind.toLowerCase()}://${socketPath}` };
    }
    case "tcp":
    case "http":
    case "https":
      return overTcp(host, kind.toLowerCase(), rest, options);
    default:
      throw unusableHost(host);
  }
}

function overTcp(host: string, kind: string, rest: string, options: DockerConfig): DockerClient {
  if (!URL.canParse(`http://${rest}`)) throw unusableHost(host);
  const url = new URL(`http://${rest}`);
  const useTls = kind === "https" || options.tlsVerify || options.certPath !== undefined;
  const port = url.port || (/:80(\/|$)/.test(rest) ? "80" : useTls ? "2376" : "2375");
  const pathPrefix = url.pathname;
  const common = { host: url.hostname, port, pathPrefix };
  const docker = useTls
    ? dockerode({ ...common, protocol: "https", ...certificates(options.certPath) })
    : dockerode({ ...common, protocol: "http" });
  return { docker, endpoint: `${useTls ? "https" : "http"}://${url.hostname}:${port}` };
}

function certificates(folder: string | undefined) {
  if (folder === undefined) return {};
  const read = (file: string) => {
    try {
      return readFileSync(join(folder, file));
    } catch (cause) {
      throw new ConfigError([
        `DOCKER_CERT_PATH="${folder}" is invalid: must be a folder with ca.pem, cert.pem and key.pem; cannot read ` +
          `${file}: ${describeError(cause)}`,
      ]);
    }
  };
  return { ca: read("ca.pem"), cert: read("cert.pem"), key: read("key.pem") };
}

/** Sets every option, so that dockerode takes none from the environment. */
function dockerode(settings: Dockerode.DockerOptions & { pathPrefix?: string }): Dockerode {
  const agent = settings.protocol === "https" ? new HttpsAgent() : new HttpAgent();
  try {
    return new Dockerode({
      host: undefined,
      port: undefined,
      socketPath: undefined,
      ca: undefined,
      cert: undefined,
      key: undefined,
      protocol: "http",
      version: undefined,
      timeout: undefined,
      pathPrefix: "/",
      agent,
      ...settings,
    } as Dockerode.DockerOptions);
  } catch (cause) {
    // dockerode reads the environment, and files named there, before its options.
    throw new ConfigError([`the Docker settings in the environment are invalid: ${describeError(cause)}`]);
  }
}

function unusableHost(host: string): ConfigError {
  return new ConfigError([
    `DOCKER_HOST="${withoutCredentials(host)}" is invalid: must be unix:///path, tcp://host:port, http://host:port or https://host:port`,
  ]);
}

function withoutCredentials(host: string): string {
  return host.replace(/\/\/[^/@]*@/, "//");
}
