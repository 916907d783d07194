import { readFileSync } from "node:fs";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { join } from "node:path";
import Dockerode from "dockerode";
import { ConfigError, describeError } from "../../errors.js";

/** How the engine is reached, with the meaning that the Docker client gives to its variables. */
export interface DockerClientOptions {
  /** DOCKER_HOST: `unix://…`, `npipe://…`, `tcp://host[:port]`, `http://…` or `https://…`; else the local socket. */
  readonly host?: string;
  /** DOCKER_TLS_VERIFY. */
  readonly tlsVerify: boolean;
  /** DOCKER_CERT_PATH: a folder with `ca.pem`, `cert.pem` and `key.pem`. Given, TLS is used over TCP. */
  readonly certPath?: string;
}

/** A client of one engine, and a name for it in messages. */
export interface DockerClient {
  readonly docker: Dockerode;
  /** Such as `unix:///var/run/docker.sock`; without user or password. */
  readonly endpoint: string;
}

const localSocket =
  process.platform === "win32" ? "npipe:////./pipe/docker_engine" : "unix:///var/run/docker.sock";

/**
 * A client after DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH. Opens no connection yet. The API version is
 * left to the engine. Each request takes a connection of its own: one that is kept would break at the first
 * request after the engine restarts.
 *
 * @throws ConfigError naming the variable, where a value or a certificate file cannot be used.
 */
export function createDockerClient(options: DockerClientOptions): DockerClient {
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

function overTcp(host: string, kind: string, rest: string, options: DockerClientOptions): DockerClient {
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
        `DOCKER_CERT_PATH="${folder}": cannot read ${file}, it must be a folder with ca.pem, cert.pem and ` +
          `key.pem: ${describeError(cause)}`,
      ]);
    }
  };
  return { ca: read("ca.pem"), cert: read("cert.pem"), key: read("key.pem") };
}

/** Every setting said, so that none comes from this process' environment. */
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
    // dockerode looks into the environment before it looks at what it is given, and reads files named there.
    throw new ConfigError([`the Docker settings in the environment cannot be used: ${describeError(cause)}`]);
  }
}

function unusableHost(host: string): ConfigError {
  return new ConfigError([
    `DOCKER_HOST="${withoutCredentials(host)}": must be unix:///path, tcp://host:port, http://host:port or https://host:port`,
  ]);
}

function withoutCredentials(host: string): string {
  return host.replace(/\/\/[^/@]*@/, "//");
}
