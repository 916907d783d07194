import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type Access, type AccessSettings, loadAccess } from "../../../src/config/access.js";
import { silentLogger } from "../../../src/logging.js";
import { reloadWebConfig } from "../../../src/server/listener/web-config-reload.js";
import { createTelemetry } from "../../../src/telemetry.js";
import { makeAuthority } from "../../support/certificates.js";
import { tempFolder } from "../../support/temp-folder.js";

const hash = (salt: string) => `$2b$10$${salt.padEnd(53, "a")}`;
const timings = { poll: 50, settle: 20 };

/** Watches the files of a folder. `used`: the applied configurations, `logged`: the log. */
async function setUp(
  makeSettings: (folder: string) => AccessSettings,
  use: (access: Access) => void = () => {},
) {
  const folder = tempFolder();
  const settings = makeSettings(folder);
  const stopping = new AbortController();
  const seen = new Map<string, string>();
  const first = await loadAccess(settings, seen, stopping.signal);
  const used: Access[] = [];
  const logged: string[] = [];
  const log = (message: string, fields: object = {}) =>
    void logged.push(`${message} ${JSON.stringify(fields)}`);
  const telemetry = createTelemetry("0");
  const done = reloadWebConfig({
    settings,
    seen,
    use: (access) => {
      use(access);
      used.push(access);
    },
    logger: { ...silentLogger, info: log, error: log },
    telemetry,
    signal: stopping.signal,
    timings,
  });
  onTestFinished(async () => {
    stopping.abort();
    await done;
  });
  const successful = async () =>
    /^app_metrics_proxy_web_config_reload_successful (\d)$/m.exec((await telemetry.expose()).text)?.[1];
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  return { folder, first, used, logged, successful, write };
}

/** Waits for several checks of the files. */
const someChecks = () => new Promise((resolve) => setTimeout(resolve, 400));

function webConfigOf(text: string) {
  return (folder: string): AccessSettings => {
    const webConfigFile = join(folder, "web.yml");
    writeFileSync(webConfigFile, text);
    return { webConfigFile };
  };
}

describe("the files of the web configuration", () => {
  it("are reloaded when the configuration changes", async () => {
    const { used, write, successful } = await setUp(webConfigOf(`basic_auth_users: {alice: ${hash("a")}}`));
    write("web.yml", `basic_auth_users: {bob: ${hash("b")}}`);
    await vi.waitFor(() => expect(used.at(-1)?.users).toEqual(new Map([["bob", hash("b")]])));
    expect(await successful()).toBe("1");
  });

  it("are reloaded when only the certificate and its key are replaced, one after the other", async () => {
    const { folder, used, first } = await setUp((folder) => {
      makeAuthority(folder).issue("server");
      return webConfigOf("tls_server_config: {cert_file: server.pem, key_file: server.key}")(folder);
    });
    const renewed = makeAuthority(folder, "new-ca").issue("renewed");
    renameSync(renewed.certFile, join(folder, "server.pem"));
    await someChecks();
    expect(used).toEqual([]);
    renameSync(renewed.keyFile, join(folder, "server.key"));
    await vi.waitFor(() => expect(used.at(-1)?.tls?.cert).toBe(renewed.cert), { timeout: 5000 });
    expect(first.tls?.cert).not.toBe(renewed.cert);
  });

  it("stay in use when the new ones are invalid, which is logged once, until they are corrected", async () => {
    const { used, logged, write, successful } = await setUp(
      webConfigOf(`basic_auth_users: {alice: ${hash("a")}}`),
    );
    write("web.yml", "basic_auth_user: {}");
    await vi.waitFor(() => expect(logged).toHaveLength(1));
    expect(logged[0]).toMatch(/previous one stays in use.*has the unknown key basic_auth_user; allowed keys/);
    expect(await successful()).toBe("0");
    write("web.yml", "basic_auth_user: {} ");
    await someChecks();
    expect(logged).toHaveLength(1);
    expect(used).toEqual([]);
    write("web.yml", `basic_auth_users: {bob: ${hash("b")}}`);
    await vi.waitFor(() => expect(used).toHaveLength(1));
    expect(logged).toHaveLength(2);
    expect(await successful()).toBe("1");
  });

  it("are reported without their contents when they are not valid YAML", async () => {
    const { logged, write } = await setUp(webConfigOf(`basic_auth_users: {alice: ${hash("a")}}`));
    write("web.yml", `basic_auth_users:\n  alice: b: ${hash("hunter2")}\n`);
    await vi.waitFor(() => expect(logged).toHaveLength(1));
    expect(logged[0]).toMatch(/the file is not valid YAML: line 2, column 10: /);
    expect(logged[0]).not.toMatch(/hunter2|\$2b/);
  });

  it("stay in use when the file is removed, until it exists again", async () => {
    const { folder, used, logged, write } = await setUp(
      webConfigOf(`basic_auth_users: {alice: ${hash("a")}}`),
    );
    rmSync(join(folder, "web.yml"));
    await vi.waitFor(() => expect(logged[0]).toMatch(/ENOENT/));
    write("web.yml", `basic_auth_users: {bob: ${hash("b")}}`);
    await vi.waitFor(() => expect(used).toHaveLength(1));
  });

  it("are watched when a new configuration names files that do not exist yet", async () => {
    const { folder, used, logged, write } = await setUp(webConfigOf("http_server_config: {http2: false}"));
    write("web.yml", "tls_server_config: {cert_file: server.pem, key_file: server.key}");
    await vi.waitFor(() => expect(logged[0]).toMatch(/server.pem.*ENOENT/));
    makeAuthority(folder).issue("server");
    await vi.waitFor(() => expect(used.at(-1)?.tls).toBeDefined(), { timeout: 5000 });
  });

  it("stay in use when the server cannot switch without a restart", async () => {
    const { logged, used, write, successful } = await setUp(webConfigOf(""), () => {
      throw new Error("restart it");
    });
    write("web.yml", `basic_auth_users: {bob: ${hash("b")}}`);
    await vi.waitFor(() => expect(logged[0]).toMatch(/previous one stays in use.*restart it/));
    expect(used).toEqual([]);
    expect(await successful()).toBe("0");
  });
});

describe("the bearer token file", () => {
  it("is reloaded when it changes", async () => {
    const { first, used, write, logged } = await setUp((folder) => {
      writeFileSync(join(folder, "token"), "one-token\n");
      return { bearerToken: "one-token", bearerTokenFile: join(folder, "token") };
    });
    expect(first.bearerToken).toBe("one-token");
    write("token", "two words\n");
    await vi.waitFor(() => expect(logged[0]).toMatch(/BEARER_TOKEN_FILE=.*without spaces/));
    expect(logged[0]).not.toContain("two words");
    write("token", "another-token\n");
    await vi.waitFor(() => expect(used.at(-1)?.bearerToken).toBe("another-token"));
  });
});
