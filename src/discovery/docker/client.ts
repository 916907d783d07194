import { readFileSync } from "node:fs";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { createRequire, Module } from "node:module";
import { join } from "node:path";
import type Dockerode from "dockerode";
import type { DockerConfig } from "../../config/config.js";
import { ConfigError, describeError } from "../../errors.js";
import type { HostPort } from "../../model/host-port.js";

/** A client of one engine. */
export interface DockerClient {
  readonly docker: Dockerode;
  /** For messages, such as `unix:///var/run/docker.sock`; without user and password. */
  readonly endpoint: string;
  /** Its address, unless it is a local socket. */
  readonly address?: HostPort;
}

const localSocket =
  process.platform === "win32" ? "npipe:////./pipe/docker_engine" : "unix:///var/run/docker.sock";

const DockerClass = loadDockerode();

/**
 * Creates a client, without connecting. The engine chooses the API version. Each request opens a connection, because
 * the first request on a kept connection would fail after a restart of the engine.
 *
 * @throws ConfigError with the name of the variable if a value or a certificate file is invalid.
 */
export function createDockerClient({ host, tlsVerify, certPath }: DockerConfig): DockerClient {
  const text = host || localSocket;
  const [, scheme = "tcp", rest = text] = /^([a-z]+):\/\/(.*)$/is.exec(text) ?? [];
  const kind = scheme.toLowerCase();
  if (kind === "unix" || kind === "npipe") {
    const socketPath = rest || localSocket.replace(/^\w+:\/\//, "");
    return { docker: dockerode({ socketPath }), endpoint: `${kind}://${socketPath}` };
  }
  if (!["tcp", "http", "https"].includes(kind) || !URL.canParse(`http://${rest}`)) {
    const shown = text.replace(/\/\/[^/@]*@/, "//");
    throw new ConfigError([
      `DOCKER_HOST="${shown}" is invalid: must be unix:///path, tcp://host:port, http://host:port or https://host:port`,
    ]);
  }
  const { hostname, pathname, port: statedPort } = new URL(`http://${rest}`);
  const useTls = kind === "https" || tlsVerify || certPath !== undefined;
  const protocol = useTls ? "https" : "http";
  const port = statedPort || (/:80(\/|$)/.test(rest) ? "80" : useTls ? "2376" : "2375");
  const tls = useTls ? certificates(certPath) : {};
  return {
    docker: dockerode({ protocol, host: hostname, port, pathPrefix: pathname, ...tls }),
    endpoint: `${protocol}://${hostname}:${port}`,
    address: { host: hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(port) },
  };
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
    return new DockerClass({
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

/**
 * Loads dockerode without its sessions, which only builds of images use. Their packages, @grpc/grpc-js and protobufjs,
 * would take about 5 MB of memory and 0.2 s of CPU time at the start.
 */
function loadDockerode(): typeof Dockerode {
  const require = createRequire(import.meta.url);
  const session = require.resolve("dockerode/lib/session.js");
  require.cache[session] ??= Object.assign(new Module(session), { loaded: true });
  return require("dockerode");
}
