import type { SecureContextOptions, Server, TLSSocket, TlsOptions } from "node:tls";
import type { TlsConfig } from "../../config/web/read-tls.js";
import { AppError } from "../../errors.js";
import type { Telemetry } from "../../telemetry.js";
import { canonicalName, subjectAltNames } from "./subject-alt-names.js";

const handshakeTimeout = 10_000;

/** The options that can change while the server runs. They apply to new connections. */
export function secureContextOptions(tls: TlsConfig): SecureContextOptions {
  return {
    cert: tls.cert,
    key: tls.key,
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    honorCipherOrder: tls.preferServerCiphers,
    ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa }),
    ...(tls.ciphers === undefined ? {} : { ciphers: tls.ciphers }),
    ...(tls.curves === undefined ? {} : { ecdhCurve: tls.curves }),
  };
}

/** The options of a new server. */
export function tlsServerOptions(tls: TlsConfig): TlsOptions {
  return {
    ...secureContextOptions(tls),
    requestCert: tls.clientAuth !== "NoClientCert",
    // Makes the handshake fail. OpenSSL has no other policies: admitClients implements them.
    rejectUnauthorized: tls.clientAuth === "RequireAndVerifyClientCert",
    handshakeTimeout,
  };
}

/** Why a client is refused after its handshake; undefined if it is admitted. */
function refusalOf(tls: TlsConfig, socket: TLSSocket): string | undefined {
  const { clientAuth, clientAllowedSans } = tls;
  if (clientAuth === "NoClientCert" || clientAuth === "RequestClientCert") return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) {
    return clientAuth === "VerifyClientCertIfGiven" ? undefined : "no client certificate";
  }
  const verified = clientAuth !== "RequireAnyClientCert";
  if (verified && !socket.authorized) return "client certificate not verified";
  if (clientAllowedSans === undefined) return undefined;
  const names = subjectAltNames(certificate.subjectAltName);
  const allowed = clientAllowedSans.map(canonicalName);
  return names.some((name) => allowed.includes(name)) ? undefined : "client certificate with other names";
}

/**
 * Checks that a running server can switch to another configuration.
 *
 * @throws AppError for settings that Node reads only when a server starts.
 */
export function requireChangeable(from: TlsConfig | undefined, to: TlsConfig | undefined): void {
  const describe = (tls: TlsConfig | undefined) => (tls === undefined ? "off" : "on");
  if (describe(from) !== describe(to)) {
    throw new AppError(`cannot turn TLS ${describe(to)} while the proxy is running: restart it`);
  }
  if (from?.clientAuth !== to?.clientAuth) {
    throw new AppError(
      `cannot change client_auth_type from ${from?.clientAuth} to ${to?.clientAuth} while the proxy is running: restart it`,
    );
  }
}

/** Closes connections whose client certificate is not allowed, before reading a request. */
export function admitClients(
  server: Server,
  current: () => TlsConfig | undefined,
  { tlsFailures }: Telemetry,
): void {
  server.prependListener("secureConnection", (socket: TLSSocket) => {
    const tls = current();
    const reason = tls === undefined ? undefined : refusalOf(tls, socket);
    if (reason === undefined) return;
    tlsFailures.inc({ reason });
    socket.destroy();
  });
  server.on("tlsClientError", () => tlsFailures.inc({ reason: "handshake" }));
}
