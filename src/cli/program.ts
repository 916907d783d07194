import { createRequire } from "node:module";
import { Command, InvalidArgumentError, Option } from "commander";
import { type Config, readConfig } from "../config/config.js";
import type { Environment } from "../daemon/scanning.js";
import { silentLogger } from "../logging.js";
import { printable } from "../printable.js";
import { healthcheck } from "./healthcheck.js";
import type { ConfigOptions, ConfigReader, ConfigStyle } from "./prometheus-config.js";

/** Of the output, in characters: the value of a setting may be long. */
const maxLineLength = 100_000;

const configStyles: readonly ConfigStyle[] = ["federate", "static", "http-sd"];
const configReaders: readonly ConfigReader[] = ["prometheus", "victoriametrics"];
/** The maximum of SCRAPE_INTERVAL. */
const maxInterval = 3600;

/**
 * The command line; all settings come from the environment. Each command loads its own modules, because loading all of
 * them takes half a second of CPU time, and the health check of the image runs every few seconds.
 */
export function createProgram(): Command {
  const version = readVersion();
  const print = (line: string) => void process.stdout.write(`${printable(line, maxLineLength)}\n`);
  const program = new Command("app-metrics-proxy")
    .description("Prometheus metrics of every container of a Docker Swarm through one port per node")
    .version(version)
    .showHelpAfterError()
    .addHelpText("after", "\nAll settings are environment variables; check-config prints them.");

  program
    .command("serve", { isDefault: true })
    .description("run the proxy (the default)")
    // The default command also receives every unknown command as an argument.
    .allowExcessArguments()
    .action(async (_options: object, command: Command) => {
      if (command.args[0] !== undefined) program.error(`error: unknown command '${command.args[0]}'`);
      const { serve } = await import("./serve.js");
      await serve(await environment(version));
    });
  program
    .command("scan")
    .description("scan once; print each target with its URL or the reason why it has none")
    .action(async () => {
      const { scan } = await import("./scan.js");
      await scan(await environment(version, "error"), print);
    });
  program
    .command("check-config")
    .description("validate the settings and print their values")
    .action(async () => {
      const config = readConfig(process.env);
      const { createDockerClient } = await import("../discovery/docker/client.js");
      createDockerClient(config.docker);
      const { openCredentials } = await import("../daemon/scanning.js");
      await (await openCredentials(config, silentLogger))?.close();
      const { loadAccess } = await import("../config/access.js");
      await loadAccess(config, new Map(), new AbortController().signal);
      for (const [name, value] of Object.entries(config.variables)) print(`${name}=${value}`);
      for (const warning of config.warnings) print(`warning: ${warning}`);
    });
  program
    .command("healthcheck")
    .description("check the health of the proxy on this machine; exit with 1 if it is unhealthy")
    .action(() => healthcheck(readConfig(process.env)));
  program
    .command("prometheus-config")
    .description("print a scrape configuration for Prometheus or VictoriaMetrics")
    .requiredOption(
      "--url <url...>",
      "URLs at which Prometheus reaches the proxies, such as http://node1:2137",
    )
    .addOption(
      new Option(
        "--style <style>",
        "federate: one job for all metrics; static: one job per service; http-sd: targets from the proxies",
      )
        .choices(configStyles)
        .default("federate"),
    )
    .addOption(
      new Option("--for <program>", "what reads the configuration")
        .choices(configReaders)
        .default("prometheus"),
    )
    .option("--interval <seconds>", "SCRAPE_INTERVAL of the proxies", readInterval, 10)
    .option("--username <name>", "user for basic authentication")
    .option("--password-file <path>", "file with the password of the user")
    .option("--bearer-token-file <path>", "file with the bearer token")
    .option("--ca-file <path>", "certificate authority of the proxies")
    .option("--cert-file <path>", "client certificate")
    .option("--key-file <path>", "key of the client certificate")
    .action(async ({ url, style, for: reader, ...options }: PrometheusConfigOptions) => {
      const { prometheusConfig } = await import("./prometheus-config.js");
      process.stdout.write(await prometheusConfig(url, style, { ...options, reader }));
    });
  return program;
}

type PrometheusConfigOptions = ConfigOptions & {
  readonly url: string[];
  readonly style: ConfigStyle;
  readonly for: ConfigReader;
};

/** @throws InvalidArgumentError */
function readInterval(text: string): number {
  const seconds = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (seconds >= 1 && seconds <= maxInterval) return seconds;
  throw new InvalidArgumentError(`must be a whole number of seconds from 1 to ${maxInterval}.`);
}

async function environment(version: string, level?: Config["logLevel"]): Promise<Environment> {
  const { createLogger } = await import("../logging/create-logger.js");
  const config = readConfig(process.env, { terminal: process.stderr.isTTY });
  const secrets = [config.sshPass, config.bearerToken].filter((secret) => secret !== undefined);
  const logger = createLogger({ level: level ?? config.logLevel, format: config.logFormat, secrets });
  return { config, logger, version };
}

/** The version in package.json. */
function readVersion(): string {
  const manifest: { readonly version: string } = createRequire(import.meta.url)("../../package.json");
  return manifest.version;
}
