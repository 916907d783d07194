import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { AppError, codeOf } from "./errors.js";

/** A listener failed to start, for example because the port is in use. */
export class ListenError extends AppError {}

const hints: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens on it",
  EACCES: "this user has no permission to open the port",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "host name not found",
};

/**
 * Starts listening, without a host on all addresses.
 *
 * @param variable the environment variable with the address, for the error.
 * @returns the port.
 * @throws ListenError
 */
export async function listen(
  server: Server,
  address: { readonly host?: string; readonly port: number },
  variable: string,
): Promise<number> {
  try {
    await once(server.listen(address), "listening");
  } catch (cause) {
    const hint = hints[codeOf(cause) ?? ""];
    const message = `cannot listen on ${variable} ${address.host ?? ""}:${address.port}`;
    throw new ListenError(hint === undefined ? message : `${message}: ${hint}`, { cause });
  }
  return (server.address() as AddressInfo).port;
}
