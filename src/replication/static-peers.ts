import type { KnownPeer, PeerSource } from "./peers.js";

/** The port of a peer that names none. */
export const defaultSshPort = 22;

/** The peers of PEERS, each equal to this node. @param peers `host` or `host:port`, IPv6 addresses in brackets. */
export function createStaticPeers(peers: readonly string[]): PeerSource {
  const list = [...new Set(peers)].map(parsePeer);
  return { list: async () => ({ manager: true, peers: list }) };
}

function parsePeer(text: string): KnownPeer {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? text;
  return { key: text, title: text, addresses: [{ host, port: Number(match?.[3] ?? defaultSshPort) }] };
}
