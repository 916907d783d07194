import { existsSync } from "node:fs";
import type { ServiceLabelTable } from "../cache/service-label-table.js";
import type { Config } from "../config/config.js";
import { createDockerClient } from "../discovery/docker/client.js";
import { createEngineApi, type EngineApi } from "../discovery/docker/engine-api.js";
import { createDockerProvider } from "../discovery/docker/provider.js";
import { createFileProvider } from "../discovery/file/provider.js";
import type { TargetProvider } from "../discovery/provider.js";
import type { Logger } from "../logging.js";

const defaultSocket = "/var/run/docker.sock";

/** Docker is left out only where a targets file is given and there is no sign of an engine. */
function usesDocker({ targetsFile, docker }: Config): boolean {
  return targetsFile === undefined || docker.host !== undefined || existsSync(defaultSocket);
}

/**
 * The Docker engine, where one is to be asked. One that hangs must not use up the cycle: its calls get half of it,
 * within 2 to 10 s.
 */
export function createEngine(config: Config): EngineApi | undefined {
  if (!usesDocker(config)) return undefined;
  const { docker, scrapeInterval } = config;
  const timeoutMs = Math.min(Math.max(scrapeInterval / 2, 2), 10) * 1000;
  return createEngineApi(createDockerClient(docker), timeoutMs);
}

/** Where targets come from: the engine, where there is one, and the targets file, where one is given. */
export function createProviders(
  config: Config,
  logger: Logger,
  engine: EngineApi | undefined,
  serviceLabels: ServiceLabelTable,
): TargetProvider[] {
  const providers: TargetProvider[] = [];
  if (engine !== undefined) {
    providers.push(
      createDockerProvider({
        engine,
        ports: config.ports,
        path: config.metricsPath,
        ...(config.hostAddress === undefined ? {} : { hostAddress: config.hostAddress }),
        ownListenPort: config.listen.port,
        serviceLabels: () => serviceLabels.labels,
        logger,
      }),
    );
  }
  if (config.targetsFile !== undefined) {
    providers.push(createFileProvider({ path: config.targetsFile, defaultPath: config.metricsPath }));
  }
  return providers;
}
