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
let stranger: Certificate;
let otherAuthority: ReturnType<typeof createAuthority>;

beforeAll(() => {
  authority = createAuthority();
  server = authority.issue("server", "IP:127.0.0.1");
  named = authority.issue("named", "DNS:metrics.internal");
  client = authority.issue("client");
  otherAuthority = createAuthority();
  stranger = otherAuthority.issue("stranger", "IP:127.0.0.1");
  return () => {
    authority.remove();
    otherAuthority.remove();
  };
});

/** Starts an HTTPS server that answers with metrics, unless told otherwise. */
async function startTlsTarget(
  pair: Certificate,
  options: ServerOptions = {},
  answer: Answer = answerWith("up 1\n"),
) {
  const https = createServer({ cert: pair.cert, key: pair.key, ...options }, answer);
  https.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    https.closeAllConnections();
    https.close();
  });
  return `https://127.0.0.1:${(https.address() as AddressInfo).port}/metrics`;
}

const trusting = (more: object = {}) => ({ tls_config: { ca_file: authority.certFile, ...more } });

describe("a target behind TLS", () => {
  it("is scraped where its certificate leads to the ca, and not where it does not", async () => {
    const good = await startTlsTarget(server);
    const bad = await startTlsTarget(stranger);
    const { scrape, failure } = await scraperWith({
      file: trusting(),
      text: { tls_config: { ca: authority.cert } },
    });
    expect((await scrape(good, "file")).samples).toBe(1);
    expect((await scrape(good, "text")).samples).toBe(1);
    expect(await failure(bad, "file")).toMatch(/certificate/);
    expect(await failure(good)).toMatch(/certificate/);
  });

  it("must bear its host's name, or the server_name that is expected", async () => {
    const url = await startTlsTarget(named);
    const { scrape, failure } = await scraperWith({
      host: trusting(),
      name: trusting({ server_name: "metrics.internal" }),
    });
    expect((await scrape(url, "name")).samples).toBe(1);
    expect(await failure(url, "host")).toMatch(/certificate|altnames/);
  });

  it("is not checked where that is said", async () => {
    const url = await startTlsTarget(stranger);
    const { scrape } = await scraperWith({ default: { tls_config: { insecure_skip_verify: true } } });
    expect((await scrape(url)).samples).toBe(1);
  });

  it("is spoken to in the versions that are allowed", async () => {
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

  it("that is to prove itself gets no credentials over plain HTTP", async () => {
    const asked: string[] = [];
    const url = await startTlsTarget(server, {}, (request, response) => {
      asked.push(request.headers.authorization ?? "");
      answerWith("up 1\n")(request, response);
    });
    const { scrape, failure } = await scraperWith({
      db: { ...trusting(), authorization: { credentials: "t" } },
    });
    expect(await failure(url.replace("https:", "http:"), "db")).toMatch(
      /^not asked: the entry "db" of SCRAPE_AUTH_FILE: it has a ca, so its credentials go over https only/,
    );
    await scrape(url, "db");
    expect(asked).toEqual(["Bearer t"]);
  });
});

describe("a target that asks for a certificate", () => {
  const asking = () => ({ ca: authority.cert, requestCert: true, rejectUnauthorized: true });

  it("is scraped with the right one only", async () => {
    const url = await startTlsTarget(server, asking());
    const { scrape, failure } = await scraperWith({
      right: trusting({ cert_file: client.certFile, key_file: client.keyFile }),
      text: trusting({ cert: client.cert, key: client.key }),
      strange: trusting({ cert: stranger.cert, key: stranger.key }),
      none: trusting(),
    });
    expect((await scrape(url, "right")).samples).toBe(1);
    expect((await scrape(url, "text")).samples).toBe(1);
    for (const entry of ["strange", "none"]) expect(await failure(url, entry)).not.toBe("it did not fail");
  });

  it("sees a rotated one, on new connections, while a scrape under way goes on", async () => {
    const seen: string[] = [];
    let holdBack = true;
    let release = () => {};
    const url = await startTlsTarget(server, asking(), (request, response) => {
      seen.push(String((request.socket as TLSSocket).getPeerCertificate().subject.CN));
      if (holdBack) release = () => answerWith("up 1\n")(request, response);
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
    holdBack = false;
    put(authority.issue("rotated"));
    set.later();
    await set.scrape(url, "db");
    expect(seen).toEqual(["client", "rotated"]);
    release();
    expect((await first).samples).toBe(1);
  });

  it("goes on with the old one while certificate and key do not belong together, and tells it once", async () => {
    const url = await startTlsTarget(server, asking());
    const folder = tempFolder();
    copyFileSync(client.certFile, join(folder, "tls.crt"));
    copyFileSync(client.keyFile, join(folder, "tls.key"));
    const set = await scraperWith({ db: trusting({ cert_file: "tls.crt", key_file: "tls.key" }) }, folder);
    copyFileSync(stranger.keyFile, join(folder, "tls.key"));
    for (let round = 0; round < 2; round++) {
      set.later();
      expect((await set.scrape(url, "db")).samples).toBe(1);
    }
    expect(set.log).toEqual([
      expect.stringMatching(/^warn: .*tls_config\.key_file: .*tls\.key must be a private key/),
    ]);
  });

  it.each([
    [
      "a key that is none",
      () => ({ cert: client.cert, key: "nonsense" }),
      /tls_config\.key must be a private key/,
    ],
    ["a key of another", () => ({ cert: client.cert, key: stranger.key }), /of tls_config\.cert$/],
  ])("cannot be asked with %s: the start fails", async (_title, tls, problem) => {
    await expect(scraperWith({ db: trusting(tls()) })).rejects.toThrow(problem);
  });
});

describeUnless(
  isOnPath("nginx") ? undefined : "nginx is not there",
  "nginx that asks for a certificate",
  () => {
    it("lets the scrape in with one, and with a password beside it", async () => {
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
      // nginx' word for a missing certificate.
      expect(await failure(url, "password")).toBe("HTTP status 400");
    });
  },
);
