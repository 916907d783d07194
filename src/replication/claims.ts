import type { Clock } from "../model/clock.js";

/** Milliseconds after which another peer may send what one has begun to, renewed by what comes, but not for ever. */
const patience = 2000;
const longest = 10_000;

interface Claim {
  readonly by: object;
  readonly since: number;
  /** Whether the origin itself sends it. */
  readonly direct: boolean;
  until: number;
}

/**
 * Which origin is being taken from which peer, so that what several of them offer at the same moment travels once.
 * Whom the data belongs to comes first: no relay keeps an origin from telling its own.
 */
export class Claims {
  readonly #claims = new Map<string, Claim>();

  constructor(private readonly clock: Clock) {}

  /** Whether `by` may send an origin's data now; then it is noted. */
  claim(origin: string, by: object, direct: boolean): boolean {
    const now = this.clock.monotonic();
    const other = this.#claims.get(origin);
    if (other !== undefined && other.by !== by && other.until > now && (other.direct || !direct))
      return false;
    this.#claims.set(origin, { by, direct, since: now, until: now + patience });
    return true;
  }

  /** Something came. */
  renew(origin: string, by: object): void {
    const claim = this.#claims.get(origin);
    if (claim?.by === by) claim.until = Math.min(this.clock.monotonic() + patience, claim.since + longest);
  }

  release(origin: string, by: object): void {
    if (this.#claims.get(origin)?.by === by) this.#claims.delete(origin);
  }

  releaseAll(by: object): void {
    for (const [origin, claim] of this.#claims) if (claim.by === by) this.#claims.delete(origin);
  }
}
