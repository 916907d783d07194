/** Limits of SSH connections; times in milliseconds. */
export const sshLimits = {
  /** Connections. Enough for a hundred peers behind one gateway that connect at once, as after a network outage. */
  authenticated: 512,
  unauthenticated: 192,
  unauthenticatedPerAddress: 128,
  /** New connections. Each costs some milliseconds of CPU for the key exchange. */
  arrivals: { capacity: 300, perSecond: 50 },
  arrivalsPerAddress: { capacity: 150, perSecond: 25 },
  /** Wrong passwords. */
  passwords: { capacity: 30, perSecond: 1 },
  passwordsPerAddress: { capacity: 5, perSecond: 1 / 10 },
  /** Addresses that are remembered for the rates per address. */
  addresses: 10_000,
  /** Until a connection must be authenticated. */
  handshakeMs: 10_000,
  /** Received before authentication. A handshake and a login take about 3 kB. */
  handshakeBytes: 64 * 1024,
  /** Key re-exchanges. Each costs as much as a new connection; RFC 4253, section 9, recommends one per gigabyte. */
  rekeys: { capacity: 10, perSecond: 0.1 },
  /** Channels of one connection. */
  channels: 4,
  commands: { capacity: 20, perSecond: 1 },
  refusals: { capacity: 100, perSecond: 1 },
  /** Received while no peer command runs: requests are short, and so are the replies while an archive is read. */
  idleBytes: { capacity: 256 * 1024, perSecond: 16 * 1024 },
  /** Without a running command. */
  idleMs: 60_000,
  /** Without traffic. The server sends several keepalives within this time. */
  silenceMs: 60_000,
  /** For the client to read the rest of the output after a command is done. */
  lingerMs: 30_000,
};
export type SshLimits = Readonly<typeof sshLimits>;
