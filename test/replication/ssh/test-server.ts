import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { onTestFinished } from "vitest";
import { silentLogger } from "../../../src/logging.js";
import { systemClock } from "../../../src/model/clock.js";
import type { PeerConnection } from "../../../src/replication/ssh/connection.js";
import type { RefusalReason } from "../../../src/replication/ssh/connection-guard.js";
import { deriveKeys, type SharedKeys } from "../../../src/replication/ssh/keys.js";
import {
  type SshServer,
  type SshServerOptions,
  startSshServer,
} from "../../../src/replication/ssh/server.js";
import type { SshCommand } from "../../../src/replication/ssh/server-connection.js";

export const testSecret = "correct horse battery";

const derived = new Map<string, Promise<SharedKeys>>();

/** The keys of a secret, derived once per test file because scrypt is slow. */
export function keysFor(secret = testSecret): Promise<SharedKeys> {
  const keys = derived.get(secret) ?? deriveKeys(secret);
  derived.set(secret, keys);
  return keys;
}

/** An SSH server on loopback with three commands: `status`, `archive` and, for peers, `sync`. */
export interface TestServer {
  readonly server: SshServer;
  readonly refusals: RefusalReason[];
  /** Addresses that rejected the host key. */
  readonly hostKeyRefusals: string[];
  /** The connection of each `sync` command that was started, in order. */
  readonly syncs: PeerConnection[];
}

export interface TestServerOptions extends Pick<SshServerOptions, "limits"> {
  readonly secret?: string;
  /** Size of the output of `archive`. */
  readonly archiveMebibytes?: number;
  readonly sync?: SshCommand;
}

/** Writes random bytes as fast as the client reads; does not read itself. */
const archiveOf =
  (mebibytes: number): SshCommand =>
  async (channel, _connection, signal) => {
    for (let sent = 0; sent < mebibytes; sent++) {
      if (!channel.write(randomBytes(1024 * 1024))) await once(channel, "drain", { signal });
    }
  };

/** Reads and discards until the client closes the channel. */
const readAll: SshCommand = async (channel, _connection, signal) => {
  channel.resume();
  if (!signal.aborted) await Promise.race([once(channel, "end"), once(signal, "abort")]);
};

/** Stops when the test ends. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { secret = testSecret, archiveMebibytes = 1, sync = readAll, ...limits } = options;
  const refusals: RefusalReason[] = [];
  const hostKeyRefusals: string[] = [];
  const syncs: PeerConnection[] = [];
  const server = await startSshServer({
    listen: { host: "127.0.0.1", port: 0 },
    keys: await keysFor(secret),
    password: secret,
    clock: systemClock,
    logger: silentLogger,
    onRefused: (reason) => refusals.push(reason),
    onHostKeyRefused: (address) => hostKeyRefusals.push(address),
    commands: {
      everybody: {
        archive: archiveOf(archiveMebibytes),
        status: async (channel) => void channel.write('{"ok":true}\n'),
      },
      peers: {
        sync: (channel, connection, signal) => {
          syncs.push(connection);
          return sync(channel, connection, signal);
        },
      },
    },
    ...limits,
  });
  onTestFinished(() => server.stop());
  return { server, refusals, hostKeyRefusals, syncs };
}
