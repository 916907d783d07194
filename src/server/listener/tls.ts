import { isIPv6, SocketAddress } from "node:net";
import type { Server, TLSSocket, TlsOptions } from "node:tls";
import type { TlsConfig } from "../../config/web/read-tls.js";
import { AppError } from "../../errors.js";
import type { Telemetry } from "../../telemetry.js";

const handshakeTimeout = 10_000;

/** The kinds of names that client_allowed_sans may contain, as Node labels them. */
const kinds = new Set(["DNS", "email", "IP Address", "URI"]);

/** The options of a new server. */
export function tlsServerOptions(tls: TlsConfig): TlsOptions {
  return {
    ...tls,
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

/**
 * The subject alternative names of a certificate, without their kinds, IPv6 addresses in canonical form.
 *
 * @param text X509Certificate.subjectAltName: `DNS:a.example, IP Address:10.0.0.1`, where values with special
 *   characters are quoted as in JSON. A text in any other form has no names.
 */
export function subjectAltNames(text: string | undefined): readonly string[] {
  const names: string[] = [];
  const name = /([^:,"]+):(?:("(?:[^"\\]|\\.)*")|([^",]*))(?:, |$)/y;
  while (text !== undefined && name.lastIndex < text.length) {
    const match = name.exec(text);
    if (match === null) return [];
    const [, kind = "", quoted, plain = ""] = match;
    const value = quoted === undefined ? plain : readQuoted(quoted);
    if (value === undefined) return [];
    if (kinds.has(kind)) names.push(canonicalName(value));
  }
  return names;
}

/** IPv6 addresses in canonical form. */
export function canonicalName(name: string): string {
  return isIPv6(name) ? new SocketAddress({ address: name, family: "ipv6" }).address : name;
}

function readQuoted(text: string): string | undefined {
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}
