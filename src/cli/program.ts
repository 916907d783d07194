import { Command, Option } from "commander";
import { type Config, describeConfig, readConfig } from "../config/config.js";
import type { Surroundings } from "../daemon/surroundings.js";
import { silentLogger } from "../logging.js";
import { type ConfigStyle, configStyles } from "./config-styles.js";
import { healthcheck } from "./healthcheck.js";
import type { ProxyCredentials } from "./proxy-credentials.js";
import { readVersion } from "./version.js";

/**
 * The command line; all settings come from the environment. What only one command needs is loaded when that command
 * runs: loading all of it takes half a second of CPU, and the image's health check runs every few seconds.
 */
export function createProgram(): Command {
  const version = readVersion();
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  const program = new Command("app-metrics-proxy")
    .description("Prometheus metrics of every container of a Docker Swarm through one port per node")
    .version(version)
    .showHelpAfterError()
    .addHelpText("after", "\nSettings come from environment variables; check-config shows them.");

  program
    .command("serve", { isDefault: true })
    .description("run the proxy (the default)")
    // As the default it also gets every word that is no command; only here can that be told.
    .allowExcessArguments()
    .action(async (_options: object, command: Command) => {
      if (command.args[0] !== undefined) program.error(`error: unknown command '${command.args[0]}'`);
      const { serve } = await import("./serve.js");
      await serve(await surroundings(version));
    });
  program
    .command("scan")
    .description("scan once and print what was found, and why not")
    .action(async () => {
      const { scan } = await import("./scan.js");
      await scan(await surroundings(version, "error"), print);
    });
  program
    .command("check-config")
    .description("check the environment variables and print what they mean")
    .action(async () => {
      const config = readConfig(process.env);
      const { createDockerClient } = await import("../discovery/docker/client.js");
      createDockerClient(config.docker);
      const { openCredentials } = await import("../daemon/scrape-credentials.js");
      await (await openCredentials(config, silentLogger))?.close();
      const { loadAccess } = await import("../config/access.js");
      await loadAccess(config, new Map(), new AbortController().signal);
      for (const [name, value] of Object.entries(describeConfig(config))) print(`${name}=${value}`);
      for (const warning of config.warnings) print(`warning: ${warning}`);
    });
  program
    .command("healthcheck")
    .description("ask the proxy on this machine whether it is healthy; exit 1 where it is not")
    .action(() => healthcheck(readConfig(process.env)));
  program
    .command("prometheus-config")
    .description("print a Prometheus scrape configuration for running proxies")
    .requiredOption("--url <url...>", "where Prometheus reaches the proxies, such as http://node1:2137")
    .addOption(
      new Option("--style <style>", "a job a service, one job for everything, or targets from the proxy")
        .choices(configStyles)
        .default("static"),
    )
    .option("--username <name>", "user of proxies with basic authentication")
    .option("--password-file <path>", "its password")
    .option("--bearer-token-file <path>", "token of proxies with BEARER_TOKEN")
    .option("--ca-file <path>", "who signed the certificates of the proxies")
    .option("--cert-file <path>", "certificate for proxies that want one from their clients")
    .option("--key-file <path>", "its key")
    .action(async ({ url, style, ...credentials }: PrometheusConfigOptions) => {
      const { prometheusConfig } = await import("./prometheus-config.js");
      process.stdout.write(await prometheusConfig(url, style, credentials));
    });
  return program;
}

type PrometheusConfigOptions = ProxyCredentials & { readonly url: string[]; readonly style: ConfigStyle };

async function surroundings(version: string, level?: Config["logLevel"]): Promise<Surroundings> {
  const { createLogger } = await import("../logging/create-logger.js");
  const config = readConfig(process.env, { terminal: process.stderr.isTTY });
  const secrets = [config.sshPass, config.bearerToken].filter((secret) => secret !== undefined);
  const logger = createLogger({ level: level ?? config.logLevel, format: config.logFormat, secrets });
  return { config, logger, version };
}
