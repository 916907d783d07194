import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../errors.js";
import { type LogFormat, type LogLevel, logFormats, logLevels } from "../logging.js";
import { EnvironmentReader, type RawEnvironment } from "./environment.js";
import {
  anyText,
  bearerToken,
  defaultSshPort,
  flag,
  hostAndPort,
  hostName,
  type ListenAddress,
  listenAddress,
  oneOf,
  peerList,
  portList,
  positiveNumber,
  urlPath,
  wellKnownPorts,
  wholeNumber,
} from "./readers.js";
import { type RelayAllow, relayAllow } from "./relay-allow.js";

/** All settings, validated and frozen. Durations are in seconds, sizes in bytes. */
export interface Config {
  /** The secret that all nodes share. */
  readonly sshPass?: string;
  readonly scrapeInterval: number;
  readonly metricsPath: string;
  /** The ports to try, in order and without duplicates: 80, 8080, 9100, then those of PORTS. */
  readonly ports: readonly number[];
  readonly scrapeTimeout: number;
  readonly scrapeConcurrency: number;
  /** Maximum size of one exposition, uncompressed. */
  readonly scrapeMaxBytes: number;
  readonly staleAfter: number;
  /** How long scrapes are kept; at least `staleAfter`. */
  readonly history: number;
  /** The memory budget for scrapes, prepared responses and data in transit. */
  readonly memoryMaxBytes: number;
  readonly cacheDir: string;
  readonly listen: ListenAddress;
  /** `host:port` at which Prometheus reaches this node. */
  readonly advertiseAddress?: string;
  /** Where peers and SSH clients connect to. */
  readonly sshListen: ListenAddress;
  /** Peers outside Swarm, as `host` or `host:port` (see parseHostPort, with defaultSshPort); empty unless set. */
  readonly peers: readonly string[];
  /** Whether managers replicate to all nodes or only to each other. */
  readonly replicateTo: "all" | "managers";
  readonly targetsFile?: string;
  /** Credentials for scraping targets. */
  readonly scrapeAuthFile?: string;
  readonly docker: DockerConfig;
  /** Address of containers in the host's network; default: the default gateway. */
  readonly hostAddress?: string;
  /** Destinations of the relay; without it, the relay is off. */
  readonly relayAllow?: RelayAllow;
  /** TLS and basic authentication of the HTTP port; see loadAccess. */
  readonly webConfigFile?: string;
  /** Token that authenticates clients of the HTTP port. */
  readonly bearerToken?: string;
  /** The file that contains the token, reloaded when it changes. */
  readonly bearerTokenFile?: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** Settings that are valid but probably wrong. */
  readonly warnings: readonly string[];
  /** All settings as variables and values; secrets are hidden. */
  readonly variables: Readonly<Record<string, string>>;
}

/** How to connect to the Docker engine; the variables have the same meaning as for the Docker client. */
export interface DockerConfig {
  /** `unix://…`, `npipe://…`, `tcp://host[:port]`, `http://…` or `https://…`. Default: the local socket. */
  readonly host?: string;
  readonly tlsVerify: boolean;
  /** A folder with `ca.pem`, `cert.pem` and `key.pem`. If set, TCP connections use TLS. */
  readonly certPath?: string;
}

const recommendedSecretLength = 12;
const week = 7 * 86_400;
const mebibyte = 1024 * 1024;
const minMemory = 64 * mebibyte;
const maxMemory = 2 ** 40;

/** Defaults that depend on the machine. */
export interface ConfigDefaults {
  /** Whether the log goes to a terminal; LOG_FORMAT then defaults to `pretty`. Default: false. */
  readonly terminal?: boolean;
  /** The memory limit of this process in bytes; 0, or more than any machine has: none. Default: that of its cgroup. */
  readonly memoryLimit?: number;
}

/**
 * Reads the configuration from the environment.
 *
 * @param raw the environment; unknown variables are ignored, except for a warning about those that look misspelt.
 * @throws ConfigError with one line for each invalid value.
 */
export function readConfig(raw: RawEnvironment, defaults: ConfigDefaults = {}): Config {
  const env = new EnvironmentReader(raw);
  const scrapeInterval = env.read("SCRAPE_INTERVAL", wholeNumber(1, 3600, "seconds"), 10);
  // Prometheus' own default, but a target that times out is scraped again in the next cycle.
  const defaultTimeout = Math.min(10, (scrapeInterval * 4) / 5);
  const scrapeTimeout = env.read("SCRAPE_TIMEOUT", positiveNumber(3600, "seconds"), defaultTimeout);
  // A scrape has the time of its start: while the next one is in progress, it becomes twice as old as a scrape takes.
  const longest = Math.max(scrapeInterval, scrapeTimeout);
  const staleAfter = env.read("STALE_AFTER", positiveNumber(week, "seconds"), 3 * longest);
  if (staleAfter < longest) {
    env.problem("STALE_AFTER", `at least SCRAPE_INTERVAL and SCRAPE_TIMEOUT (${longest} s)`);
  }
  const history = env.read("HISTORY", positiveNumber(week, "seconds"), staleAfter);
  if (history < staleAfter) {
    env.problem("HISTORY", `at least STALE_AFTER (${staleAfter} s)`);
  }
  const sshPass = env.readSecret("SSHPASS");
  const peers = env.read("PEERS", peerList, []);
  if (peers.length > 0 && sshPass === undefined && !env.problems.some((text) => text.startsWith("SSHPASS"))) {
    env.problems.push(missingSecret("PEERS is set"));
  }
  const token = env.readSecret("BEARER_TOKEN", bearerToken);

  const config: Omit<Config, "warnings" | "variables"> = {
    ...present("sshPass", sshPass),
    scrapeInterval,
    metricsPath: env.read("METRICS_PATH", urlPath, "/metrics"),
    ports: env.read("PORTS", portList, wellKnownPorts),
    scrapeTimeout,
    scrapeConcurrency: env.read("SCRAPE_CONCURRENCY", wholeNumber(1, 10_000, "targets"), 64),
    scrapeMaxBytes: env.read("SCRAPE_MAX_BYTES", wholeNumber(1024, 2 ** 30, "bytes"), 64 * mebibyte),
    staleAfter,
    history,
    memoryMaxBytes: env.read(
      "MEMORY_MAX_BYTES",
      wholeNumber(minMemory, maxMemory, "bytes"),
      defaultMemory(defaults.memoryLimit ?? process.constrainedMemory()),
    ),
    cacheDir: env.read("CACHE_DIR", anyText, join(tmpdir(), "app-metrics-proxy")),
    listen: env.read("LISTEN_ADDRESS", listenAddress, { port: 2137 }),
    ...present("advertiseAddress", env.read("ADVERTISE_ADDRESS", hostAndPort, undefined)),
    sshListen: env.read("SSH_LISTEN_ADDRESS", listenAddress, { port: defaultSshPort }),
    peers,
    replicateTo: env.read("REPLICATE_TO", oneOf(["all", "managers"] as const), "all"),
    ...present("targetsFile", env.read("TARGETS_FILE", anyText, undefined)),
    ...present("scrapeAuthFile", env.read("SCRAPE_AUTH_FILE", anyText, undefined)),
    docker: {
      ...present("host", env.read("DOCKER_HOST", anyText, undefined)),
      tlsVerify: env.read("DOCKER_TLS_VERIFY", flag, false),
      ...present("certPath", env.read("DOCKER_CERT_PATH", anyText, undefined)),
    },
    ...present("hostAddress", env.read("HOST_ADDRESS", hostName, undefined)),
    ...present("relayAllow", env.read("RELAY_ALLOW", relayAllow, undefined)),
    ...present("webConfigFile", env.read("WEB_CONFIG_FILE", anyText, undefined)),
    ...present("bearerToken", token),
    ...present("bearerTokenFile", env.read("BEARER_TOKEN_FILE", anyText, undefined)),
    logLevel: env.read("LOG_LEVEL", oneOf(logLevels), "info"),
    logFormat: env.read("LOG_FORMAT", oneOf(logFormats), defaults.terminal ? "pretty" : "json"),
  };
  // All variables have been read by now, so that the reader knows their names.
  const misspelt = env.misspelt();
  if (env.problems.length > 0) throw new ConfigError([...env.problems, ...misspelt]);
  const warnings = [...warningsFor("SSHPASS", sshPass), ...warningsFor("BEARER_TOKEN", token), ...misspelt];
  return deepFreeze({ ...config, warnings, variables: env.values });
}

/** Half of the limit, which leaves memory for everything outside the budget; within the range of MEMORY_MAX_BYTES. */
function defaultMemory(limit: number): number {
  // Without a limit, the system reports 0, or a number near 2^63 (version 1 of cgroups) or 2^64.
  if (limit === 0 || limit > 2 ** 50) return 512 * mebibyte;
  return Math.min(Math.max(Math.floor(limit / 2), minMemory), maxMemory);
}

/** The error for a missing shared secret. @param why completes "it is required because". */
export function missingSecret(why: string): string {
  return `SSHPASS is not set: it is required because ${why}; set SSHPASS, or SSHPASS_FILE, to the same secret on all nodes`;
}

function warningsFor(name: string, secret: string | undefined): string[] {
  if (secret === undefined || secret.length >= recommendedSecretLength) return [];
  return [
    `${name} is shorter than ${recommendedSecretLength} characters and may be guessed: use a longer secret`,
  ];
}

function present<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === "object" && inner !== null) deepFreeze(inner);
  }
  return Object.freeze(value);
}
