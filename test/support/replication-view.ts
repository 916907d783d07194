import type { PeerStatus, ReplicationStatus } from "../../src/model/replication-status.js";

export const at = Date.UTC(2026, 0, 1);
export const time = "2026-01-01T00:00:00.000Z";

export function peerAt(address: string, fields: Partial<PeerStatus> = {}): PeerStatus {
  return { title: address, address, state: "connected", failures: 0, bytesIn: 10, bytesOut: 20, ...fields };
}

export function replicating(fields: Partial<ReplicationStatus> = {}) {
  const status = {
    origin: "node1",
    manager: true,
    peers: [],
    cutOff: [],
    sharedNames: [],
    origins: [],
    ...fields,
  };
  return { replication: { status } };
}
