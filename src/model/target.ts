/**
 * How far a target's metrics travel between proxies: entries of `replicated` services go to all of them,
 * `global` and `local` ones stay on their node.
 */
export type Scope = "replicated" | "global" | "local";

/** What a target is called; all of it is derived from labels by pure rules. */
export interface Identity {
  /** Every name it answers to under `/<name>/metrics`; the short name first, the full name last; never empty. */
  readonly names: readonly string[];
  /** The full service name: value of the label `job`. */
  readonly job: string;
  /** Which of the service's replicas this is: the slot, or the node's hostname. */
  readonly replica: string;
  readonly scope: Scope;
  /** The stack or Compose project it belongs to, if any. */
  readonly stack?: string;
}

/**
 * Fetched over HTTP: the candidate URLs in order of preference. The first that answers with a valid
 * exposition wins and is remembered.
 */
export interface HttpFetch {
  readonly kind: "http";
  /** Absolute `http:` or `https:` URLs; never empty. */
  readonly urls: readonly string[];
  /** The entry of SCRAPE_AUTH_FILE that it asks for by name; without one the entry `default` counts, if there is one. */
  readonly auth?: string;
}

/** Known, but there is no way to ask it. */
export interface NoFetch {
  readonly kind: "none";
  readonly state: "unreachable" | "disabled";
  /** In words for the status page, such as `no shared network (networks: backend, db)`. */
  readonly reason: string;
}

/** How a target's exposition is obtained. Further ways join this union. */
export type Fetch = HttpFetch | NoFetch;

/** Something on this node that may expose metrics. */
export interface Target extends Identity {
  /** Unique on this node and stable while the target lives, such as `docker:<container id>`. */
  readonly id: string;
  /** Which provider found it. */
  readonly provider: string;
  /** A person's name for it: the container's name, or host:port. */
  readonly title: string;
  /** The container's image, where there is one. */
  readonly image?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly fetch: Fetch;
  /**
   * Whether somebody said that it has metrics (a label, a targets file). Such a target is asked in every
   * cycle; any other that never answered with metrics is asked less and less often.
   */
  readonly expected: boolean;
  /** When it was started, in milliseconds since the epoch. Between two with one job and instance the later wins. */
  readonly startedAt: number;
  /** What its labels say that cannot be used, in words; told once and shown on the status page. */
  readonly problems: readonly string[];
}

/** The value of the label `instance`: `<full service name>.<replica>`. */
export function instanceOf(identity: Pick<Identity, "job" | "replica">): string {
  return `${identity.job}.${identity.replica}`;
}

/**
 * Tells one job and instance from any other, and sorts by instance. The instance alone does not: replica `eu.1` of
 * the job `db` has that of replica `1` of the job `db.eu`.
 */
export function instanceKeyOf(identity: Pick<Identity, "job" | "replica">): string {
  return `${instanceOf(identity)}\n${identity.job}`;
}
