import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type Access, type AccessSettings, loadAccess } from "../../../src/config/access.js";
import { silentLogger } from "../../../src/logging.js";
import { watchWebConfig } from "../../../src/server/listener/web-config-reload.js";
import { createTelemetry } from "../../../src/telemetry.js";
import { makeAuthority } from "../../support/certificates.js";
import { tempFolder } from "../../support/temp-folder.js";

const hash = (salt: string) => `$2b$10$${salt.padEnd(53, "a")}`;
const timings = { poll: 50, settle: 20 };

/** Watches a folder's files; `used` is what it went over to, `told` what the log says. */
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
  const told: string[] = [];
  const tell = (message: string, fields: object = {}) =>
    void told.push(`${message} ${JSON.stringify(fields)}`);
  const telemetry = createTelemetry("0");
  const done = watchWebConfig({
    settings,
    seen,
    use: (access) => {
      use(access);
      used.push(access);
    },
    logger: { ...silentLogger, info: tell, error: tell },
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
  return { folder, first, used, told, successful, write };
}

/** Waits until the watch has looked at what is there now, several times over. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 400));

function webConfigOf(text: string) {
  return (folder: string): AccessSettings => {
    const webConfigFile = join(folder, "web.yml");
    writeFileSync(webConfigFile, text);
    return { webConfigFile };
  };
}

describe("the files of the web configuration", () => {
  it("are read again when the configuration changes", async () => {
    const { used, write, successful } = await setUp(webConfigOf(`basic_auth_users: {alice: ${hash("a")}}`));
    write("web.yml", `basic_auth_users: {bob: ${hash("b")}}`);
    await vi.waitFor(() => expect(used.at(-1)?.users).toEqual(new Map([["bob", hash("b")]])));
    expect(await successful()).toBe("1");
  });

  it("are read again when only the certificate and its key are replaced, one after the other", async () => {
    const { folder, used, first } = await setUp((folder) => {
      makeAuthority(folder).issue("server");
      return webConfigOf("tls_server_config: {cert_file: server.pem, key_file: server.key}")(folder);
    });
    const renewed = makeAuthority(folder, "new-ca").issue("renewed");
    renameSync(renewed.certFile, join(folder, "server.pem"));
    await aWhile();
    expect(used).toEqual([]);
    renameSync(renewed.keyFile, join(folder, "server.key"));
    await vi.waitFor(() => expect(used.at(-1)?.tls?.cert).toBe(renewed.cert), { timeout: 5000 });
    expect(first.tls?.cert).not.toBe(renewed.cert);
  });

  it("stay as they were when they become useless, which is told once, until they are mended", async () => {
    const { used, told, write, successful } = await setUp(
      webConfigOf(`basic_auth_users: {alice: ${hash("a")}}`),
    );
    write("web.yml", "basic_auth_user: {}");
    await vi.waitFor(() => expect(told).toHaveLength(1));
    expect(told[0]).toMatch(
      /cannot be used: the one before stays .*has no key .*basic_auth_user.*allowed are/,
    );
    expect(await successful()).toBe("0");
    write("web.yml", "basic_auth_user: {} ");
    await aWhile();
    expect(told).toHaveLength(1);
    expect(used).toEqual([]);
    write("web.yml", `basic_auth_users: {bob: ${hash("b")}}`);
    await vi.waitFor(() => expect(used).toHaveLength(1));
    expect(told).toHaveLength(2);
    expect(await successful()).toBe("1");
  });

  it("are told without what stands in them where they are no YAML any more", async () => {
    const { told, write } = await setUp(webConfigOf(`basic_auth_users: {alice: ${hash("a")}}`));
    write("web.yml", `basic_auth_users:\n  alice: b: ${hash("hunter2")}\n`);
    await vi.waitFor(() => expect(told).toHaveLength(1));
    expect(told[0]).toMatch(/it is no YAML: line 2, column 10: /);
    expect(told[0]).not.toMatch(/hunter2|\$2b/);
  });

  it("stay as they were when the file vanishes, until it is there again", async () => {
    const { folder, used, told, write } = await setUp(webConfigOf(`basic_auth_users: {alice: ${hash("a")}}`));
    rmSync(join(folder, "web.yml"));
    await vi.waitFor(() => expect(told[0]).toMatch(/ENOENT/));
    write("web.yml", `basic_auth_users: {bob: ${hash("b")}}`);
    await vi.waitFor(() => expect(used).toHaveLength(1));
  });

  it("are watched where a new configuration names others that are not there yet", async () => {
    const { folder, used, told, write } = await setUp(webConfigOf("http_server_config: {http2: false}"));
    write("web.yml", "tls_server_config: {cert_file: server.pem, key_file: server.key}");
    await vi.waitFor(() => expect(told[0]).toMatch(/server.pem.*ENOENT/));
    makeAuthority(folder).issue("server");
    await vi.waitFor(() => expect(used.at(-1)?.tls).toBeDefined(), { timeout: 5000 });
  });

  it("stay as they were where the server cannot go over to them", async () => {
    const { told, used, write, successful } = await setUp(webConfigOf(""), () => {
      throw new Error("restart it");
    });
    write("web.yml", `basic_auth_users: {bob: ${hash("b")}}`);
    await vi.waitFor(() => expect(told[0]).toMatch(/the one before stays .*restart it/));
    expect(used).toEqual([]);
    expect(await successful()).toBe("0");
  });
});

describe("the file of the bearer token", () => {
  it("is read again when it changes", async () => {
    const { first, used, write, told } = await setUp((folder) => {
      writeFileSync(join(folder, "token"), "one-token\n");
      return { bearerToken: "one-token", bearerTokenFile: join(folder, "token") };
    });
    expect(first.bearerToken).toBe("one-token");
    write("token", "two words\n");
    await vi.waitFor(() => expect(told[0]).toMatch(/BEARER_TOKEN_FILE=.*without spaces/));
    expect(told[0]).not.toContain("two words");
    write("token", "another-token\n");
    await vi.waitFor(() => expect(used.at(-1)?.bearerToken).toBe("another-token"));
  });
});
