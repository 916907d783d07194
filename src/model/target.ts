/** In Swarm mode, only scrapes of `replicated` services are sent to other nodes. */
export type Scope = "replicated" | "global" | "local";

/** The names of a target, derived from its labels. */
export interface Identity {
  /** The names in its paths `/<name>/metrics`: the short name first, the full name last; never empty. */
  readonly names: readonly string[];
  /** The full service name: value of the label `job`. */
  readonly job: string;
  /** Distinguishes the replicas of a service: the slot, or the node's hostname. */
  readonly replica: string;
  readonly scope: Scope;
  /** The stack or Compose project that it belongs to. */
  readonly stack?: string;
}

/** Fetched over HTTP: candidate URLs in order of preference. The first with a valid exposition is remembered. */
export interface HttpFetch {
  readonly kind: "http";
  /** Absolute `http:` or `https:` URLs; never empty. */
  readonly urls: readonly string[];
  /** An entry of SCRAPE_AUTH_FILE. Default: the entry `default`, if it exists. */
  readonly auth?: string;
}

/** Known, but not scraped. */
export interface NoFetch {
  readonly kind: "none";
  readonly state: "unreachable" | "disabled";
  /** For the status page, such as `no shared network (networks: backend, db)`. */
  readonly reason: string;
}

/** How a target's exposition is obtained. */
export type Fetch = HttpFetch | NoFetch;

/** A container or address on this node that may expose metrics. */
export interface Target extends Identity {
  /** Unique on this node and stable for the life of the target, such as `docker:<container id>`. */
  readonly id: string;
  /** The name of the provider that found it. */
  readonly provider: string;
  /** For display: the container's name, or host:port. */
  readonly title: string;
  readonly image?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly fetch: Fetch;
  /**
   * Whether a label or a targets file declares that it has metrics. Such a target is scraped in every cycle; other
   * targets that never had metrics are scraped less and less often.
   */
  readonly expected: boolean;
  /** Milliseconds since 1970. Of two targets with the same job and instance, the younger one is served. */
  readonly startedAt: number;
  /** Its invalid labels; logged once and shown on the status page. */
  readonly problems: readonly string[];
}

/** The value of the label `instance`: `<full service name>.<replica>`. */
export function instanceOf(identity: Pick<Identity, "job" | "replica">): string {
  return `${identity.job}.${identity.replica}`;
}

/**
 * A key that is unique per job and instance, and sorts by instance. The instance alone is not unique: replica `eu.1` of
 * the job `db` and replica `1` of the job `db.eu` share one.
 */
export function instanceKeyOf(identity: Pick<Identity, "job" | "replica">): string {
  return `${instanceOf(identity)}\n${identity.job}`;
}
