import { describe, expect, it } from "vitest";
import { healthcheck } from "../../src/cli/healthcheck.js";
import { openAccess } from "../../src/config/access.js";
import { readConfig } from "../../src/config/config.js";
import type { TlsConfig } from "../../src/config/web/read-tls.js";
import { type ClientAuthType, clientAuthTypes } from "../../src/config/web/schema.js";
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
    ...(clientAuth.includes("Verify") ? { ca: ca.cert } : {}),
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.3",
    honorCipherOrder: true,
    ...fields,
  };
}

describe("healthcheck succeeds for a proxy", () => {
  it("with plain HTTP, with and without a web configuration", async () => {
    const { port } = await setUpServer({ access: { ...openAccess, bearerToken: "locked" } });
    await check(port);
    await check(port, withWebConfig);
  });

  it.each(clientAuthTypes)("with TLS and client_auth_type %s", async (clientAuth) => {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const { port } = await setUpServer({
        access: { ...openAccess, tls: tlsConfig(clientAuth, { maxVersion }) },
      });
      await check(port, withWebConfig);
    }
  });
});

describe("healthcheck fails", () => {
  it("if nothing listens", async () => {
    const port = await freePort();
    for (const settings of [{}, withWebConfig]) {
      await expect(check(port, settings)).rejects.toMatchObject({ cause: { code: "ECONNREFUSED" } });
    }
  });

  it("if the response has another status", async () => {
    const { port } = await startTarget(answerWith("broken\n", "text/plain", 500));
    for (const settings of [{}, withWebConfig]) {
      await expect(check(port, settings)).rejects.toMatchObject({
        cause: { message: "the response has status 500" },
      });
    }
  });

  it("if connections are closed or time out", async () => {
    const ending = await startTcpTarget((socket) => socket.destroy());
    const silent = await startTcpTarget(() => {});
    for (const { port } of [ending, silent])
      await expect(check(port, withWebConfig)).rejects.toThrow(/^unhealthy/);
  });
});
