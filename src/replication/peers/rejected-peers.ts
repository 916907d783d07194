import { BoundedMap } from "../../bounded-map.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import type { CutOff } from "../../model/replication-status.js";
import { TokenBucket } from "../../model/token-bucket.js";
import type { FailureReason } from "../peer-error.js";

const rememberedMs = 600_000;
const maxPeers = 20;

/** Reports and remembers peers that recently dialled this node and whose links failed, by node and reason. */
export class RejectedPeers {
  readonly #peers = new BoundedMap<string, CutOff & { readonly until: number }>(maxPeers);
  /** Limits log lines: a client can use many names or addresses. */
  readonly #lines: TokenBucket;

  constructor(
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    const rate = { capacity: maxPeers, perSecond: maxPeers / (rememberedMs / 1000) };
    this.#lines = new TokenBucket(rate, clock.monotonic());
  }

  /** Logs a failure if it is new, and the rate of new ones is low. */
  add(node: string, reason: FailureReason, error: string): void {
    const key = `${node} ${reason}`;
    const before = this.#peers.get(key);
    const now = this.clock.monotonic();
    const times = before !== undefined && before.until > now ? before.times + 1 : 1;
    this.#peers.set(key, { node, reason, error, at: this.clock.now(), times, until: now + rememberedMs });
    if (times > 1 || !this.#lines.take(now)) return;
    this.logger.warn("link from peer failed", { peer: node, reason, error });
  }

  list(): CutOff[] {
    const now = this.clock.monotonic();
    return [...this.#peers.values()].flatMap(({ until, ...rejected }) => (until > now ? [rejected] : []));
  }
}
