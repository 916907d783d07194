import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { ConnectionGuard, type RefusalReason } from "../../../src/replication/ssh/connection-guard.js";
import { type SshLimits, sshLimits } from "../../../src/replication/ssh/limits.js";
import { manualClock } from "../../support/manual-clock.js";

/** The part of a socket that the guard uses. */
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

function guardWith(limits: Partial<SshLimits> = {}) {
  const clock = manualClock();
  const refusals: RefusalReason[] = [];
  const guard = new ConnectionGuard({ ...sshLimits, ...limits }, clock, (reason) => refusals.push(reason));
  const dial = (address: string) => {
    const socket = new TestSocket(address);
    return { socket, admitted: guard.admit(socket as unknown as Socket) };
  };
  const authenticate = ({ socket }: { socket: TestSocket }, trusted = true) =>
    guard.authenticated(socket as unknown as Socket, trusted);
  return { guard, clock, refusals, dial, authenticate };
}

describe("ConnectionGuard", () => {
  it("admits a peer behind a gateway whose limit is used up by idle connections", () => {
    const { dial, authenticate, refusals } = guardWith({ unauthenticatedPerAddress: 4 });
    const idle = Array.from({ length: 4 }, () => dial("192.0.2.1"));
    const peer = dial("192.0.2.1");
    expect(peer.admitted).toBe(true);
    expect(authenticate(peer)).toBe(true);
    expect(idle.map(({ socket }) => socket.destroyed)).toEqual([true, false, false, false]);
    expect(refusals).toEqual(["connections"]);
  });

  it("limits the rate of one address without affecting others", () => {
    const { dial, clock, refusals } = guardWith({
      arrivals: { capacity: 20, perSecond: 1 },
      arrivalsPerAddress: { capacity: 10, perSecond: 1 },
    });
    const flood = Array.from({ length: 1000 }, () => dial("192.0.2.1"));
    expect(flood.filter(({ admitted }) => admitted)).toHaveLength(10);
    expect(dial("192.0.2.2").admitted).toBe(true);
    expect(refusals).toHaveLength(990);
    clock.advance(2);
    expect(dial("192.0.2.1").admitted).toBe(true);
  });

  it("admits known peers during a flood from other addresses", () => {
    const { dial, authenticate, guard } = guardWith({
      arrivals: { capacity: 20, perSecond: 1 },
      unauthenticated: 1000,
    });
    authenticate(dial("192.0.2.1"));
    for (let host = 0; host < 200; host++) dial(`198.51.100.${host}`);
    expect(dial("203.0.113.1").admitted).toBe(false);
    expect(dial("192.0.2.1").admitted).toBe(true);
    expect(guard.sockets.length).toBe(21);
  });

  it("counts each unsuccessful connection once", () => {
    const { dial, guard, refusals, authenticate } = guardWith();
    dial("192.0.2.1").socket.destroy();
    const wrong = dial("192.0.2.1");
    guard.refused(wrong.socket as unknown as Socket, "password");
    wrong.socket.destroy();
    const peer = dial("192.0.2.1");
    authenticate(peer);
    peer.socket.destroy();
    expect(refusals).toEqual(["handshake", "password"]);
    expect(guard.sockets).toEqual([]);
  });

  it("limits the number of authenticated connections", () => {
    const { dial, authenticate, refusals } = guardWith({ authenticated: 2 });
    const outcomes = Array.from({ length: 3 }, () => authenticate(dial("192.0.2.1")));
    expect(outcomes).toEqual([true, true, false]);
    expect(refusals).toEqual(["connections"]);
  });
});
