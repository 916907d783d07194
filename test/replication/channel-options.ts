import type { FrameChannelOptions } from "../../src/replication/frame-channel.js";
import { ReceiveBudget } from "../../src/replication/receive-budget.js";

/** What a channel of a test may do: more than any of them does. */
export function amplyLimited(limits = { m: 1e6, t: 1e6 }): FrameChannelOptions {
  return {
    limits,
    frameMs: 5000,
    sendMs: 5000,
    budget: new ReceiveBudget(1e9),
    signal: new AbortController().signal,
    onBytes: () => undefined,
  };
}
