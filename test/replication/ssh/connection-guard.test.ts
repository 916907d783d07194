import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { ConnectionGuard, defaultConnectionLimits } from "../../../src/replication/ssh/connection-guard.js";
import type { RefusalReason } from "../../../src/replication/ssh/failures.js";
import { manualClock } from "../../support/entries.js";

/** A socket as far as the guard sees one. */
class TestSocket extends EventEmitter {
  destroyed = false;
  constructor(readonly remoteAddress: string) {
    super();
    onTestFinished(() => this.destroy());
  }
  destroy() {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit("close");
  }
}

function guardWith(limits: Partial<typeof defaultConnectionLimits> = {}) {
  const clock = manualClock();
  const refusals: RefusalReason[] = [];
  const guard = new ConnectionGuard({ ...defaultConnectionLimits, ...limits }, clock, (reason) =>
    refusals.push(reason),
  );
  const come = (address: string) => {
    const socket = new TestSocket(address);
    return { socket, admitted: guard.admit(socket as unknown as Socket) };
  };
  const showKey = ({ socket }: { socket: TestSocket }, trusted = true) =>
    guard.authenticated(socket as unknown as Socket, trusted);
  return { guard, clock, refusals, come, showKey };
}

describe("the guard of connections", () => {
  it("lets a peer in behind a gateway from which others hold all they may and say nothing", () => {
    const { come, showKey, refusals } = guardWith({ unauthenticatedPerAddress: 4 });
    const idle = Array.from({ length: 4 }, () => come("192.0.2.1"));
    const peer = come("192.0.2.1");
    expect(peer.admitted).toBe(true);
    expect(showKey(peer)).toBe(true);
    expect(idle.map(({ socket }) => socket.destroyed)).toEqual([true, false, false, false]);
    expect(refusals).toEqual(["connections"]);
  });

  it("takes only so many a second from one address, and that does not touch the others", () => {
    const { come, clock, refusals } = guardWith({
      arrivals: { capacity: 20, perSecond: 1 },
      arrivalsPerAddress: { capacity: 10, perSecond: 1 },
    });
    const flood = Array.from({ length: 1000 }, () => come("192.0.2.1"));
    expect(flood.filter(({ admitted }) => admitted)).toHaveLength(10);
    expect(come("192.0.2.2").admitted).toBe(true);
    expect(refusals).toHaveLength(990);
    clock.advance(2);
    expect(come("192.0.2.1").admitted).toBe(true);
  });

  it("lets in from where peers have come, however many come from elsewhere", () => {
    const { come, showKey, guard } = guardWith({
      arrivals: { capacity: 20, perSecond: 1 },
      unauthenticated: 1000,
    });
    showKey(come("192.0.2.1"));
    for (let host = 0; host < 200; host++) come(`198.51.100.${host}`);
    expect(come("203.0.113.1").admitted).toBe(false);
    expect(come("192.0.2.1").admitted).toBe(true);
    expect(guard.sockets.length).toBe(21);
  });

  it("counts what came to nothing once: a scan, or what was refused", () => {
    const { come, guard, refusals, showKey } = guardWith();
    come("192.0.2.1").socket.destroy();
    const wrong = come("192.0.2.1");
    guard.refused(wrong.socket as unknown as Socket, "password");
    wrong.socket.destroy();
    const peer = come("192.0.2.1");
    showKey(peer);
    peer.socket.destroy();
    expect(refusals).toEqual(["handshake", "password"]);
    expect(guard.sockets).toEqual([]);
  });

  it("holds only so many who have shown who they are", () => {
    const { come, showKey, refusals } = guardWith({ authenticated: 2 });
    const known = Array.from({ length: 3 }, () => showKey(come("192.0.2.1")));
    expect(known).toEqual([true, true, false]);
    expect(refusals).toEqual(["connections"]);
  });
});
