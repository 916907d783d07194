import { writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type BuiltProxy, requireBuild, startBuiltProxy } from "../../support/built-proxy.js";
import { type Authority, type Certificate, createAuthority } from "../../support/certificates.js";
import { describeUnless } from "../../support/describe-unless.js";
import { startNginx } from "../../support/nginx.js";
import { isOnPath } from "../../support/program.js";
import { textType } from "../../support/target-server.js";
import { tempFolder } from "../../support/temp-folder.js";

let own: Authority;
let foreign: Authority;

beforeAll(() => {
  requireBuild();
  const made = [createAuthority("own-ca"), createAuthority("foreign-ca")] as const;
  [own, foreign] = made;
  return () => {
    for (const authority of made) authority.remove();
  };
});

/** The built proxy, with a relay that allows loopback. */
function startProxy(settings: Record<string, string> = {}): Promise<BuiltProxy> {
  return startBuiltProxy({ RELAY_ALLOW: "127.0.0.0/8:*", ...settings }, "/-/healthy");
}

const relayed = (proxy: BuiltProxy, target: string) =>
  proxy.get(`/relay?target=${encodeURIComponent(target)}`);

/** An exporter with a certificate; `requests` returns the number of requests. */
async function startExporter({ cert, key }: Certificate) {
  let requests = 0;
  const server = createServer({ cert, key }, (_request, response) => {
    requests++;
    response.writeHead(200, { "content-type": textType }).end("up 1\n");
  });
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, requests: () => requests };
}

describeUnless(isOnPath("nginx") ? undefined : "nginx is not installed", "a relayed https target", () => {
  it("is requested by name or address if NODE_EXTRA_CA_CERTS contains the authority of its certificate", async () => {
    const { certFile, keyFile } = own.issue("nginx");
    const folder = tempFolder();
    writeFileSync(join(folder, "metrics"), "nginx_up 1\n");
    const { port } = await startNginx(
      "ssl",
      `default_type "${textType}"; root ${folder}; ssl_certificate ${certFile}; ssl_certificate_key ${keyFile};`,
    );
    const proxy = await startProxy({ NODE_EXTRA_CA_CERTS: own.certFile });
    const good = { status: 200, text: "nginx_up 1\n" };
    expect(await relayed(proxy, `https://localhost:${port}/metrics`)).toEqual(good);
    expect(await relayed(proxy, `https://127.0.0.1:${port}/metrics`)).toEqual(good);
  });
});

describe("a relayed https target is not requested, and 502 has the reason, if its certificate", () => {
  it("is from an unknown authority", async () => {
    const exporter = await startExporter(own.issue("unknown-authority"));
    const proxy = await startProxy();
    expect(await relayed(proxy, `https://127.0.0.1:${exporter.port}/metrics`)).toEqual({
      status: 502,
      text: `127.0.0.1:${exporter.port}: unable to verify the first certificate\n`,
    });
    expect(exporter.requests()).toBe(0);
  });

  it("is from an authority that is not in NODE_EXTRA_CA_CERTS, or for another name, or self-signed", async () => {
    const proxy = await startProxy({ NODE_EXTRA_CA_CERTS: own.certFile });
    const refused: [Certificate, RegExp][] = [
      [foreign.issue("foreign"), /unable to verify/],
      [foreign, /self-signed certificate/],
      [own.issue("elsewhere", "DNS:elsewhere.example"), /does not match certificate.s altnames/],
    ];
    for (const [certificate, reason] of refused) {
      const exporter = await startExporter(certificate);
      const { status, text } = await relayed(proxy, `https://127.0.0.1:${exporter.port}/metrics`);
      expect(text).toMatch(reason);
      expect(text).toMatch(/^127\.0\.0\.1:\d+: [^\n]+\n$/);
      expect(status).toBe(502);
      expect(exporter.requests()).toBe(0);
    }
  });
});
