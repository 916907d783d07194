import { expect, it } from "vitest";
import { Claims } from "../../src/replication/claims.js";
import type { MessageChannel } from "../../src/replication/message-channel.js";
import { SectionTaker } from "../../src/replication/section-taker.js";
import type { SyncContext } from "../../src/replication/sync-context.js";
import { testNode } from "./nodes.js";

it("what a peer has offered and not sent may be had of another as soon as it offers something else", () => {
  const { cache, clock } = testNode("node1");
  const claims = new Claims(clock);
  const context: Partial<SyncContext> = { cache, clock, claims, origin: () => "node1" };
  const [one, other] = [1, 2].map(() => new SectionTaker({} as MessageChannel, context as SyncContext));
  expect(one!.claim(["x", "y"], "peer")).toHaveLength(2);
  expect(other!.claim(["x", "y"], "other")).toEqual([]);
  expect(one!.claim(["y"], "peer")).toHaveLength(1);
  expect(other!.claim(["x", "y"], "other")).toEqual([["x", 0, 0, 0]]);
});
