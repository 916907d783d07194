import { clockOffsets, clockTolerance } from "../model/clock-offset.js";
import type { PeerStatus } from "../model/replication-status.js";
import { ageOf, type Scrape } from "../model/scrape.js";
import { instanceOf } from "../model/target.js";
import type { ServerContext } from "./context.js";
import { isoTime, roundSeconds } from "./iso-time.js";

/**
 * The part of `/targets` that tells of other nodes: `replication` (null where there is none, and then
 * `whyNoReplication`), and `replicated`, the entries that are held of them, one small object each.
 */
export function replicationJson(context: ServerContext): object {
  const { cache, clock } = context;
  const others = cache.others();
  const now = clock.monotonic();
  return {
    ...statusJson(context, others),
    replicated: others.map((entry) => ({
      name: entry.names[0],
      replica: entry.replica,
      instance: instanceOf(entry),
      origin: entry.origin,
      ageSeconds: roundSeconds(ageOf(entry, now)),
      samples: entry.samples,
      fresh: cache.isFresh(entry),
    })),
  };
}

function statusJson({ clock, replication }: ServerContext, others: readonly Scrape[]): object {
  const view = replication();
  if (view.status === undefined) return { replication: null, whyNoReplication: view.reason };
  const { origin, manager, listFailing, peers, cutOff, sharedNames, origins } = view.status;
  const offsets = clockOffsets(others, clock);
  return {
    replication: {
      origin,
      manager,
      peerList:
        listFailing === undefined
          ? { ok: true }
          : { ok: false, failingSince: isoTime(listFailing.since), reason: listFailing.reason },
      peers: peers.map(peerJson),
      cutOff: cutOff.map(({ at, ...rest }) => ({ ...rest, at: isoTime(at) })),
      sharedNames,
      origins: origins.map(({ origin, entries, silentFor, advertise }) => ({
        origin,
        entries,
        silentSeconds: silentFor,
        advertiseAddress: advertise,
        ...clockJson(offsets.get(origin)),
      })),
    },
  };
}

function clockJson(offset: number | undefined): object {
  if (offset === undefined) return {};
  return { clockOffsetSeconds: roundSeconds(offset), timesUsed: Math.abs(offset) <= clockTolerance };
}

function peerJson(peer: PeerStatus): object {
  return {
    title: peer.title,
    address: peer.address,
    node: peer.node,
    state: peer.state,
    lastSuccess: isoTime(peer.lastSuccess),
    lastDurationSeconds: peer.lastDuration === undefined ? undefined : roundSeconds(peer.lastDuration),
    failures: peer.failures,
    lastError: peer.lastError,
    lastReason: peer.lastReason,
    bytesIn: peer.bytesIn,
    bytesOut: peer.bytesOut,
  };
}
