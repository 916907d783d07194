import { createRequire } from "node:module";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import type { Channel, Server } from "ssh2";
import { AppError } from "../../errors.js";

/** The only version whose private members this file is known to fit. package.json pins the same one. */
export const supportedVersion = "1.17.0";

export type Write = NonNullable<Writable["_write"]>;

interface ChannelInternals {
  _write: Write;
  _client?: { readonly _protocol?: { readonly _kexinit?: unknown } };
}

/** The version of ssh2 in node_modules. */
export function installedVersion(): string {
  const { version } = createRequire(import.meta.url)("ssh2/package.json") as { version: string };
  return version;
}

/**
 * Checks that ssh2 is the version that the functions below were written for.
 *
 * @throws AppError for any other version.
 */
export function requireSupportedVersion(version = installedVersion()): void {
  if (version === supportedVersion) return;
  throw new AppError(`unsupported ssh2 version ${version}: expected ${supportedVersion}; run npm ci`);
}

/** Passes an accepted socket to an SSH server. Documented by ssh2, but missing in @types/ssh2. */
export function injectSocket(server: Server, socket: Socket): void {
  (server as unknown as { injectSocket(socket: Socket): void }).injectSocket(socket);
}

/** Puts `wrap` around the function with which a channel sends data. */
export function wrapWrite(channel: Channel, wrap: (write: Write) => Write): void {
  const internals = channel as unknown as ChannelInternals;
  internals._write = wrap(internals._write.bind(channel));
}

/** Whether keys are being re-exchanged. Meanwhile, ssh2 queues all data without a limit. */
export function isRekeying(channel: Channel): boolean {
  return (channel as unknown as ChannelInternals)._client?._protocol?._kexinit !== undefined;
}
