import { mkdtempSync, rmSync } from "node:fs";
import { get, type RequestOptions } from "node:https";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { openAccess } from "../../../src/config/access.js";
import type { TlsConfig } from "../../../src/config/web/read-tls.js";
import type { ClientAuthType } from "../../../src/config/web/schema.js";
import { canonicalName, subjectAltNames } from "../../../src/server/listener/tls.js";
import { type Authority, type Certificate, makeAuthority } from "../../support/certificates.js";
import { setUpServer } from "../../support/http-server.js";

let ca: Authority;
let otherCa: Authority;
let server: Certificate;
let renewed: Certificate;
let client: Certificate;
let untrusted: Certificate;

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), "tls-test-"));
  ca = makeAuthority(folder);
  otherCa = makeAuthority(folder, "other-ca");
  server = ca.issue("server");
  renewed = ca.issue("renewed");
  client = ca.issue("client", "DNS:prometheus.example,IP:2001:db8::1");
  untrusted = otherCa.issue("untrusted", "DNS:prometheus.example");
  return () => rmSync(folder, { recursive: true });
});

function tlsConfig(fields: Partial<TlsConfig> = {}): TlsConfig {
  return {
    cert: server.cert,
    key: server.key,
    clientAuth: "NoClientCert",
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.3",
    honorCipherOrder: true,
    ...fields,
  };
}

async function setUp(fields: Partial<TlsConfig> = {}) {
  const set = await setUpServer({ access: { ...openAccess, tls: tlsConfig(fields) } });
  /** The status of a request on a new connection, or "refused". */
  const ask = (options: RequestOptions = {}): Promise<number | "refused"> =>
    new Promise((resolve) => {
      const url = `https://127.0.0.1:${set.port}/targets`;
      const request = get(url, { agent: false, ca: ca.cert, ...options }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      request.on("error", () => resolve("refused"));
    });
  return { ...set, ask, connectTo: (options: ConnectionOptions = {}) => connectTo(set.port, options) };
}

/** A TLS connection after its handshake. */
async function connectTo(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: "127.0.0.1", ca: ca.cert, ...options });
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

/** Sends a request on a connection that stays open. @returns the status. */
function askOn(socket: TLSSocket): Promise<number> {
  return new Promise((resolve, reject) => {
    socket.once("data", (data) => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(data.toString())?.[1])));
    socket.once("close", () => reject(new Error("closed")));
    socket.write("GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n");
  });
}

const titleOf = (socket: TLSSocket) => socket.getPeerCertificate().subject.CN;

describe("TLS", () => {
  it("is required: plain HTTP gets no response", async () => {
    const { ask, port } = await setUp();
    expect(await ask()).toBe(200);
    const answer = await new Promise<string>((resolve) => {
      const socket = connectTcp(port, "127.0.0.1", () =>
        socket.write("GET /targets HTTP/1.1\r\nHost: x\r\n\r\n"),
      );
      let text = "";
      socket.on("data", (data) => (text += data));
      socket.on("error", () => {});
      socket.on("close", () => resolve(text));
    });
    expect(answer).not.toContain("HTTP/1.1 200");
  });

  it("uses the allowed versions", async () => {
    const { connectTo } = await setUp({ maxVersion: "TLSv1.2" });
    expect((await connectTo()).getProtocol()).toBe("TLSv1.2");
    const newer = await setUp({ minVersion: "TLSv1.3" });
    await expect(newer.connectTo({ maxVersion: "TLSv1.2" })).rejects.toThrow(/version/);
  });

  it("uses the allowed ciphers and curves", async () => {
    const { connectTo } = await setUp({
      ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384",
      ecdhCurve: "secp384r1",
      maxVersion: "TLSv1.2",
    });
    const socket = await connectTo();
    expect(socket.getCipher().name).toBe("ECDHE-ECDSA-AES256-GCM-SHA384");
    expect(socket.getEphemeralKeyInfo()).toMatchObject({ name: "secp384r1" });
  });
});

describe("client certificates", () => {
  const none = () => ({});
  const good = () => ({ cert: client.cert, key: client.key });
  const bad = () => ({ cert: untrusted.cert, key: untrusted.key });

  it.each<[ClientAuthType, number | "refused", number | "refused", number | "refused"]>([
    ["NoClientCert", 200, 200, 200],
    ["RequestClientCert", 200, 200, 200],
    ["RequireAnyClientCert", "refused", 200, 200],
    ["VerifyClientCertIfGiven", 200, 200, "refused"],
    ["RequireAndVerifyClientCert", "refused", 200, "refused"],
  ])("with %s: none %s, a valid one %s, an invalid one %s", async (clientAuth, ifNone, ifGood, ifBad) => {
    const verifies = clientAuth.includes("Verify");
    const { ask } = await setUp({ clientAuth, ...(verifies ? { ca: ca.cert } : {}) });
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      expect(await ask({ ...none(), maxVersion })).toBe(ifNone);
      expect(await ask({ ...good(), maxVersion })).toBe(ifGood);
      expect(await ask({ ...bad(), maxVersion })).toBe(ifBad);
    }
  });

  it.each([
    [["prometheus.example"], 200],
    [["other.example", "2001:DB8::1"], 200],
    [["other.example"], "refused"],
    [["Prometheus.example"], "refused"],
    [[], "refused"],
  ])("with client_allowed_sans %j: %s", async (clientAllowedSans, expected) => {
    const { ask } = await setUp({
      clientAuth: "RequireAndVerifyClientCert",
      ca: ca.cert,
      clientAllowedSans,
    });
    expect(await ask(good())).toBe(expected);
  });

  it("that are refused never reach a request, however early it is sent", async () => {
    const { port, telemetry } = await setUp({ clientAuth: "RequireAnyClientCert" });
    const socket = connect({ port, host: "127.0.0.1", ca: ca.cert });
    socket.on("error", () => {});
    socket.write("GET /early HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50));
    let answer = "";
    socket.on("data", (data) => (answer += data));
    await new Promise((resolve) => socket.once("close", resolve));
    expect(answer).toBe("");
    const { text } = await telemetry.expose();
    expect(text).toContain('app_metrics_proxy_tls_failures_total{reason="no client certificate"} 1\n');
    expect(text).not.toContain("app_metrics_proxy_http_request_duration_seconds_count");
  });
});

describe("a changed configuration", () => {
  it("presents the new certificate to new connections and leaves open ones open", async () => {
    const { server: http, connectTo } = await setUp();
    const kept = await connectTo();
    expect(titleOf(kept)).toBe("server");
    expect(await askOn(kept)).toBe(200);
    http.use({ ...openAccess, tls: tlsConfig({ cert: renewed.cert, key: renewed.key }) });
    expect(titleOf(await connectTo())).toBe("renewed");
    expect(await askOn(kept)).toBe(200);
    expect(titleOf(kept)).toBe("server");
  });

  it("applies a new authority to new connections, even those that resume a session", async () => {
    const clientAuth = "RequireAndVerifyClientCert";
    const { server: http, connectTo, ask } = await setUp({ clientAuth, ca: ca.cert });
    const first = await connectTo({ cert: client.cert, key: client.key });
    const session = new Promise<Buffer>((resolve) => first.once("session", resolve));
    expect(await askOn(first)).toBe(200);
    http.use({ ...openAccess, tls: tlsConfig({ clientAuth, ca: otherCa.cert }) });
    expect(await ask({ cert: untrusted.cert, key: untrusted.key })).toBe(200);
    expect(await ask({ cert: client.cert, key: client.key })).toBe("refused");
    const resumed = connectTo({ cert: client.cert, key: client.key, session: await session });
    await expect(resumed.then(askOn)).rejects.toThrow();
  });

  it("is rejected if it turns TLS on or off or changes client_auth_type", async () => {
    const { server: http, ask } = await setUp();
    expect(() => http.use(openAccess)).toThrow(/cannot turn TLS off while the proxy is running: restart it/);
    expect(() => http.use({ ...openAccess, tls: tlsConfig({ clientAuth: "RequestClientCert" }) })).toThrow(
      /cannot change client_auth_type from NoClientCert to RequestClientCert/,
    );
    expect(await ask()).toBe(200);
    const plain = await setUpServer();
    expect(() => plain.server.use({ ...openAccess, tls: tlsConfig() })).toThrow(/cannot turn TLS on/);
    expect((await plain.get("/targets")).status).toBe(200);
  });

  it("a stopping server does not wait for unfinished handshakes", async () => {
    const { server: http, port } = await setUp();
    const socket = connectTcp(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => {});
    await new Promise((resolve) => socket.once("connect", resolve));
    await http.stop();
    if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  });
});

describe("subject alternative names", () => {
  it.each([
    [undefined, []],
    ["", []],
    ["DNS:a.example, DNS:b.example", ["a.example", "b.example"]],
    ["IP Address:10.0.0.1, email:a@b.example, URI:spiffe://a/b", ["10.0.0.1", "a@b.example", "spiffe://a/b"]],
    ["IP Address:2001:DB8:0:0:0:0:0:1", ["2001:db8::1"]],
    ["DirName:CN = a.example, DNS:b.example", ["b.example"]],
    ['DNS:"a.example, DNS:b.example"', ["a.example, DNS:b.example"]],
    ['DNS:"a.example', []],
    ['URI:"x\\u002c DNS:b.example", DNS:c.example', ["x, DNS:b.example", "c.example"]],
  ])("of %s are %j", (text, names) => {
    expect(subjectAltNames(text)).toEqual(names);
  });

  it("have IPv6 addresses in canonical form", () => {
    expect(canonicalName("2001:0db8::0001")).toBe("2001:db8::1");
    expect(canonicalName("a.example")).toBe("a.example");
  });
});
