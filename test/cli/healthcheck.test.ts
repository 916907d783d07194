import { describe, expect, it } from "vitest";
import { healthcheck } from "../../src/cli/healthcheck.js";
import { openAccess } from "../../src/config/access.js";
import { readConfig } from "../../src/config/config.js";
import { type ClientAuthType, clientAuthTypes, type TlsConfig } from "../../src/config/web/web-config.js";
import { makeAuthority } from "../support/certificates.js";
import { freePort } from "../support/free-port.js";
import { setUpServer } from "../support/http-server.js";
import { answerWith, startTarget, startTcpTarget } from "../support/target-server.js";
import { tempFolder } from "../support/temp-folder.js";

const check = (port: number, settings: Record<string, string> = {}) =>
  healthcheck(readConfig({ LISTEN_ADDRESS: `127.0.0.1:${port}`, ...settings }));
const withWebConfig = { WEB_CONFIG_FILE: "/not/read/by/the/check.yml" };

function tlsConfig(clientAuth: ClientAuthType, fields: Partial<TlsConfig> = {}): TlsConfig {
  const ca = makeAuthority(tempFolder());
  const { cert, key } = ca.issue("server", "DNS:node1.example");
  return {
    cert,
    key,
    clientAuth,
    ...(clientAuth.includes("Verify") ? { clientCa: ca.cert } : {}),
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.3",
    preferServerCiphers: true,
    ...fields,
  };
}

describe("the health check finds a proxy healthy", () => {
  it("that speaks plain HTTP, with a web configuration and without", async () => {
    const { port } = await setUpServer({ access: { ...openAccess, bearerToken: "locked" } });
    await check(port);
    await check(port, withWebConfig);
  });

  it.each(clientAuthTypes)("that speaks TLS with client_auth_type %s", async (clientAuth) => {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const { port } = await setUpServer({
        access: { ...openAccess, tls: tlsConfig(clientAuth, { maxVersion }) },
      });
      await check(port, withWebConfig);
    }
  });
});

describe("the health check finds a proxy sick", () => {
  it("where nobody listens", async () => {
    const port = await freePort();
    for (const settings of [{}, withWebConfig]) {
      await expect(check(port, settings)).rejects.toMatchObject({ cause: { code: "ECONNREFUSED" } });
    }
  });

  it("that answers with another status", async () => {
    const { port } = await startTarget(answerWith("broken\n", "text/plain", 500));
    for (const settings of [{}, withWebConfig]) {
      await expect(check(port, settings)).rejects.toMatchObject({
        cause: { message: "it answered with status 500" },
      });
    }
  });

  it("that takes connections and ends them, or says nothing", async () => {
    const ending = await startTcpTarget((socket) => socket.destroy());
    const silent = await startTcpTarget(() => {});
    for (const { port } of [ending, silent])
      await expect(check(port, withWebConfig)).rejects.toThrow(/^not healthy/);
  });
});
