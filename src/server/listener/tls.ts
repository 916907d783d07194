import type { SecureContextOptions, Server, TLSSocket, TlsOptions } from "node:tls";
import type { TlsConfig } from "../../config/web/web-config.js";
import { AppError } from "../../errors.js";
import type { Telemetry } from "../../telemetry.js";
import { canonicalName, subjectAltNames } from "./subject-alt-names.js";

const handshakeTimeout = 10_000;

/** What can change while the server runs: it holds for connections that come afterwards. */
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

/** What a server starts with. */
export function tlsServerOptions(tls: TlsConfig): TlsOptions {
  return {
    ...secureContextOptions(tls),
    requestCert: tls.clientAuth !== "NoClientCert",
    // The handshake itself fails then. The other policies leave it to admitClient, as OpenSSL knows only this one.
    rejectUnauthorized: tls.clientAuth === "RequireAndVerifyClientCert",
    handshakeTimeout,
  };
}

/** Why a client whose handshake is done may not come in; undefined where it may. */
function whyNotAdmitted(tls: TlsConfig, socket: TLSSocket): string | undefined {
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
 * Looks whether a running server can go over to another configuration.
 *
 * @throws AppError where it cannot: Node decides these when a server starts.
 */
export function requireChangeable(from: TlsConfig | undefined, to: TlsConfig | undefined): void {
  const describe = (tls: TlsConfig | undefined) => (tls === undefined ? "off" : "on");
  if (describe(from) !== describe(to)) {
    throw new AppError(
      `TLS is ${describe(from)} and cannot be turned ${describe(to)} while the proxy runs: restart it`,
    );
  }
  if (from?.clientAuth !== to?.clientAuth) {
    throw new AppError(
      `client_auth_type is ${from?.clientAuth} and cannot become ${to?.clientAuth} while the proxy runs: restart it`,
    );
  }
}

/** Ends connections whose client certificate the configuration does not want, before a request of theirs is read. */
export function admitClients(
  server: Server,
  current: () => TlsConfig | undefined,
  { tlsFailures }: Telemetry,
): void {
  server.prependListener("secureConnection", (socket: TLSSocket) => {
    const tls = current();
    const reason = tls === undefined ? undefined : whyNotAdmitted(tls, socket);
    if (reason === undefined) return;
    tlsFailures.inc({ reason });
    socket.destroy();
  });
  server.on("tlsClientError", () => tlsFailures.inc({ reason: "handshake" }));
}
