import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { readConfig } from "../../src/config/config.js";
import { startDaemon } from "../../src/daemon/daemon.js";
import type { Logger } from "../../src/logging.js";
import { tempFolder } from "./temp-folder.js";

/** A line of a log. */
export interface LoggedLine {
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: object | undefined;
}

/** A logger that keeps its lines. */
export function recordingLogger(): { readonly logger: Logger; readonly lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const at = (level: keyof Logger) => (message: string, fields?: object) =>
    void lines.push({ level, message, fields });
  return { logger: { error: at("error"), warn: at("warn"), info: at("info"), debug: at("debug") }, lines };
}

/** The whole proxy in this process, stopped when the test is done. Without a Docker engine unless DOCKER_HOST is set. */
export async function startWholeProxy(settings: Readonly<Record<string, string>> = {}) {
  const targetsFile = join(tempFolder(), "targets.json");
  writeFileSync(targetsFile, "[]");
  const config = readConfig({
    LISTEN_ADDRESS: "127.0.0.1:0",
    CACHE_DIR: tempFolder(),
    SCRAPE_INTERVAL: "1",
    ...("DOCKER_HOST" in settings ? {} : { TARGETS_FILE: targetsFile }),
    ...settings,
  });
  const { logger, lines } = recordingLogger();
  const daemon = await startDaemon({ config, logger, version: "0.0.0" });
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= daemon.stop();
    return stopping;
  };
  onTestFinished(stop);
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${daemon.port}${path}`);
    return { status: response.status, text: await response.text() };
  };
  return { daemon, stop, get, lines };
}
