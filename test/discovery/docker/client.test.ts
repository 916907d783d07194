import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createDockerClient } from "../../../src/discovery/docker/client.js";
import { ConfigError } from "../../../src/errors.js";

const plain = { tlsVerify: false };
/** The private connection settings of dockerode. */
const modemOf = (options: Parameters<typeof createDockerClient>[0]) =>
  createDockerClient(options).docker.modem as object;

describe("createDockerClient", () => {
  it("uses the local socket by default", () => {
    expect(createDockerClient(plain).endpoint).toBe("unix:///var/run/docker.sock");
    expect(modemOf({ ...plain, host: "unix:///run/other.sock" })).toMatchObject({
      socketPath: "/run/other.sock",
      host: undefined,
    });
  });

  it.each([
    ["tcp://socket-proxy:2375", "http://socket-proxy:2375"],
    ["tcp://10.0.0.1", "http://10.0.0.1:2375"],
    ["http://10.0.0.1:80", "http://10.0.0.1:80"],
    ["socket-proxy:2375", "http://socket-proxy:2375"],
    ["tcp://[fd00::1]:2375", "http://[fd00::1]:2375"],
    ["https://user:password@engine", "https://engine:2376"],
  ])("translates %s to %s", (host, endpoint) => {
    expect(createDockerClient({ ...plain, host }).endpoint).toBe(endpoint);
  });

  it("uses TLS if DOCKER_TLS_VERIFY is set", () => {
    const client = createDockerClient({ host: "tcp://engine", tlsVerify: true });
    expect(client.endpoint).toBe("https://engine:2376");
  });

  it("sets no API version and reads nothing from the environment", () => {
    const before = process.env["DOCKER_HOST"];
    process.env["DOCKER_HOST"] = "tcp://elsewhere:1";
    try {
      expect(modemOf({ ...plain, host: "unix:///run/a.sock" })).toMatchObject({
        version: undefined,
        host: undefined,
        port: undefined,
        socketPath: "/run/a.sock",
      });
    } finally {
      if (before === undefined) delete process.env["DOCKER_HOST"];
      else process.env["DOCKER_HOST"] = before;
    }
  });

  it.each(["ssh://user@engine", "tcp://", "tcp://:99999"])(
    "rejects %s with one line that names the variable",
    (host) => {
      expect(() => createDockerClient({ ...plain, host })).toThrow(ConfigError);
      expect(() => createDockerClient({ ...plain, host })).toThrow(
        /^DOCKER_HOST="[^"\n]*" is invalid: must be unix:/,
      );
    },
  );

  it("rejects a certificate folder without a required file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "certificates-"));
    try {
      await writeFile(join(folder, "ca.pem"), "");
      const create = () => createDockerClient({ host: "tcp://engine", tlsVerify: true, certPath: folder });
      expect(create).toThrow(ConfigError);
      expect(create).toThrow(
        new RegExp(`^DOCKER_CERT_PATH="${folder}" is invalid: .*cannot read cert.pem.*ENOENT`),
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
