import { copyFileSync, writeFileSync } from "node:fs";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DEFAULT_CIPHERS, type TLSSocket } from "node:tls";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Certificate, createAuthority } from "../../support/certificates.js";
import { describeUnless } from "../../support/describe-unless.js";
import { startNginx } from "../../support/nginx.js";
import { isOnPath } from "../../support/program.js";
import { type Answer, answerWith } from "../../support/target-server.js";
import { tempFolder } from "../../support/temp-folder.js";
import { scraperWith } from "./setup.js";

let authority: ReturnType<typeof createAuthority>;
let server: Certificate;
let named: Certificate;
let client: Certificate;
let foreign: Certificate;
let otherAuthority: ReturnType<typeof createAuthority>;

beforeAll(() => {
  authority = createAuthority();
  server = authority.issue("server", "IP:127.0.0.1");
  named = authority.issue("named", "DNS:metrics.internal");
  client = authority.issue("client");
  otherAuthority = createAuthority();
  foreign = otherAuthority.issue("foreign", "IP:127.0.0.1");
  return () => {
    authority.remove();
    otherAuthority.remove();
  };
});

/** Starts an HTTPS server that returns metrics by default. */
async function startTlsTarget(
  pair: Certificate,
  options: ServerOptions = {},
  respond: Answer = answerWith("up 1\n"),
) {
  const https = createServer({ cert: pair.cert, key: pair.key, ...options }, respond);
  https.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    https.closeAllConnections();
    https.close();
  });
  return `https://127.0.0.1:${(https.address() as AddressInfo).port}/metrics`;
}

const trusting = (more: object = {}) => ({ tls_config: { ca_file: authority.certFile, ...more } });

describe("a target with TLS", () => {
  it("is scraped only if the ca issued its certificate", async () => {
    const good = await startTlsTarget(server);
    const bad = await startTlsTarget(foreign);
    const { scrape, failure } = await scraperWith({
      file: trusting(),
      text: { tls_config: { ca: authority.cert } },
    });
    expect((await scrape(good, "file")).samples).toBe(1);
    expect((await scrape(good, "text")).samples).toBe(1);
    expect(await failure(bad, "file")).toMatch(/certificate/);
    expect(await failure(good)).toMatch(/certificate/);
  });

  it("needs a certificate for its host name or for server_name", async () => {
    const url = await startTlsTarget(named);
    const { scrape, failure } = await scraperWith({
      host: trusting(),
      name: trusting({ server_name: "metrics.internal" }),
    });
    expect((await scrape(url, "name")).samples).toBe(1);
    expect(await failure(url, "host")).toMatch(/certificate|altnames/);
  });

  it("is not verified with insecure_skip_verify", async () => {
    const url = await startTlsTarget(foreign);
    const { scrape } = await scraperWith({ default: { tls_config: { insecure_skip_verify: true } } });
    expect((await scrape(url)).samples).toBe(1);
  });

  it("is scraped with the allowed TLS versions", async () => {
    const url = await startTlsTarget(server, { maxVersion: "TLSv1.2" });
    const old = await startTlsTarget(server, {
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: `${DEFAULT_CIPHERS}@SECLEVEL=0`,
    });
    const { scrape, failure } = await scraperWith({
      plain: trusting(),
      new: trusting({ min_version: "TLS13" }),
      old: trusting({ min_version: "TLS10" }),
    });
    expect((await scrape(url, "plain")).samples).toBe(1);
    expect(await failure(url, "new")).toMatch(/protocol|version|alert/i);
    expect((await scrape(old, "old")).samples).toBe(1);
    expect(await failure(old, "plain")).toMatch(/protocol|version|alert/i);
  });

  it("receives no credentials over plain HTTP if the entry has a ca", async () => {
    const received: string[] = [];
    const url = await startTlsTarget(server, {}, (request, response) => {
      received.push(request.headers.authorization ?? "");
      answerWith("up 1\n")(request, response);
    });
    const { scrape, failure } = await scraperWith({
      db: { ...trusting(), authorization: { credentials: "t" } },
    });
    expect(await failure(url.replace("https:", "http:"), "db")).toMatch(
      /^not scraped: SCRAPE_AUTH_FILE entry "db": with a ca, credentials are only sent over https/,
    );
    await scrape(url, "db");
    expect(received).toEqual(["Bearer t"]);
  });
});

describe("a target that requires a client certificate", () => {
  const requiring = () => ({ ca: authority.cert, requestCert: true, rejectUnauthorized: true });

  it("is scraped only with the correct one", async () => {
    const url = await startTlsTarget(server, requiring());
    const { scrape, failure } = await scraperWith({
      right: trusting({ cert_file: client.certFile, key_file: client.keyFile }),
      text: trusting({ cert: client.cert, key: client.key }),
      other: trusting({ cert: foreign.cert, key: foreign.key }),
      none: trusting(),
    });
    expect((await scrape(url, "right")).samples).toBe(1);
    expect((await scrape(url, "text")).samples).toBe(1);
    for (const entry of ["other", "none"]) expect(await failure(url, entry)).not.toBe("it did not fail");
  });

  it("receives a rotated one on new connections, while a running scrape continues", async () => {
    const seen: string[] = [];
    let hold = true;
    let release = () => {};
    const url = await startTlsTarget(server, requiring(), (request, response) => {
      seen.push(String((request.socket as TLSSocket).getPeerCertificate().subject.CN));
      if (hold) release = () => answerWith("up 1\n")(request, response);
      else answerWith("up 1\n")(request, response);
    });
    const folder = tempFolder();
    const put = (pair: Certificate) => {
      copyFileSync(pair.certFile, join(folder, "tls.crt"));
      copyFileSync(pair.keyFile, join(folder, "tls.key"));
    };
    put(client);
    const set = await scraperWith({ db: trusting({ cert_file: "tls.crt", key_file: "tls.key" }) }, folder);
    const first = set.scrape(url, "db");
    await expect.poll(() => seen).toEqual(["client"]);
    hold = false;
    put(authority.issue("rotated"));
    set.later();
    await set.scrape(url, "db");
    expect(seen).toEqual(["client", "rotated"]);
    release();
    expect((await first).samples).toBe(1);
  });

  it("receives the old one while certificate and key do not match, which is reported once", async () => {
    const url = await startTlsTarget(server, requiring());
    const folder = tempFolder();
    copyFileSync(client.certFile, join(folder, "tls.crt"));
    copyFileSync(client.keyFile, join(folder, "tls.key"));
    const set = await scraperWith({ db: trusting({ cert_file: "tls.crt", key_file: "tls.key" }) }, folder);
    copyFileSync(foreign.keyFile, join(folder, "tls.key"));
    for (let round = 0; round < 2; round++) {
      set.later();
      expect((await set.scrape(url, "db")).samples).toBe(1);
    }
    expect(set.log).toEqual([
      expect.stringMatching(/^warn: .*tls_config\.key_file: .*tls\.key must be the PEM private key/),
    ]);
  });

  it.each([
    [
      "an invalid key",
      () => ({ cert: client.cert, key: "nonsense" }),
      /tls_config\.key must be the PEM private key/,
    ],
    [
      "a key of another certificate",
      () => ({ cert: client.cert, key: foreign.key }),
      /for tls_config\.cert$/,
    ],
  ])("the start fails with %s", async (_title, tls, problem) => {
    await expect(scraperWith({ db: trusting(tls()) })).rejects.toThrow(problem);
  });
});

describeUnless(
  isOnPath("nginx") ? undefined : "nginx is not installed",
  "nginx that requires a client certificate",
  () => {
    it("accepts a client certificate together with a password", async () => {
      const folder = tempFolder();
      writeFileSync(join(folder, "users"), "prometheus:{PLAIN}s3cret\n");
      writeFileSync(join(folder, "metrics"), "up 1\n");
      const { port } = await startNginx(
        "ssl",
        `ssl_certificate ${server.certFile}; ssl_certificate_key ${server.keyFile};
       ssl_client_certificate ${authority.certFile}; ssl_verify_client on;
       default_type text/plain; root ${folder}; auth_basic metrics; auth_basic_user_file ${folder}/users;`,
      );
      const pair = { cert_file: client.certFile, key_file: client.keyFile };
      const basic_auth = { username: "prometheus", password: "s3cret" };
      const { scrape, failure } = await scraperWith({
        both: { ...trusting(pair), basic_auth },
        certificate: trusting(pair),
        password: { ...trusting(), basic_auth },
      });
      const url = `https://127.0.0.1:${port}/metrics`;
      expect((await scrape(url, "both")).samples).toBe(1);
      expect(await failure(url, "certificate")).toBe("HTTP status 401");
      // The response of nginx to a missing certificate.
      expect(await failure(url, "password")).toBe("HTTP status 400");
    });
  },
);
