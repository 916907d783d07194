import type { Identity } from "./target.js";
import type { TargetState } from "./target-status.js";

/*
 * Publications: batches of attempts and documents. The feed of an origin is its publications, ordered by number.
 */

interface PublicationHeader {
  /** Name of the node that published it. */
  readonly origin: string;
  /** See `model/number.ts`. */
  readonly number: number;
  /** Random id of the process that published it. */
  readonly instance: string;
  /** Time of publication by the origin's wall clock, in milliseconds since the epoch. */
  readonly time: number;
}

/** The attempts of an origin since its previous batch. Immutable. */
export interface Batch extends PublicationHeader {
  readonly kind: "batch";
  /** Whether it is not sent to other nodes, like the metrics of global services in Swarm. */
  readonly local?: boolean;
  readonly attempts: readonly Attempt[];
}

/** One attempt to scrape a target. */
export interface Attempt {
  /** Key of the target; see `targetKeyOf`. */
  readonly target: number;
  /** Milliseconds from the start of the attempt to the publication. */
  readonly ago: number;
  /** Duration in seconds. */
  readonly duration: number;
  /** The scrape, or the reason of the failure. A response with unchanged bytes names the earlier scrape. */
  readonly outcome: ScrapeInfo | { readonly reason: string };
}

/** A scrape without its bytes. */
export interface ScrapeInfo {
  readonly number: number;
  readonly contentType: string;
  /** Inflated size in bytes. */
  readonly size: number;
  readonly samples: number;
}

/** All targets of an origin, served or not. Replaces the previous document completely. */
export interface TargetsDocument extends PublicationHeader {
  readonly kind: "targets";
  /** ADVERTISE_ADDRESS of the origin. */
  readonly advertise?: string;
  readonly targets: readonly PublishedTarget[];
}

/** A target as its origin publishes it. */
export interface PublishedTarget extends Identity {
  /** Unique on the origin, such as `docker:<container id>`. Attempts name the target by its key: see `targetKeyOf`. */
  readonly id: string;
  /** Container name, or host:port. */
  readonly title: string;
  readonly image?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch, by the origin's clock; 0 if unknown. */
  readonly startedAt: number;
  /** If the start is unknown: when its origin listed it first, in milliseconds since the epoch, by the origin's clock. */
  readonly firstSeen?: number;
  /** `gone`: the target ended; its last scrapes can still be read. */
  readonly state: TargetState | "gone";
  /** Why it is not `up`, in one line. */
  readonly reason?: string;
  /** Since when it is in this state, in milliseconds since the epoch, by the origin's clock. */
  readonly since: number;
  /** URL of its last response. */
  readonly url?: string;
}

/** Swarm state that only managers can read. The youngest document of all managers is current. */
export interface SwarmDocument extends PublicationHeader {
  readonly kind: "swarm";
  readonly services: readonly SwarmService[];
  /** Tasks of the proxy's own service; empty if the proxy is not a Swarm service. */
  readonly tasks: readonly ProxyTask[];
}

/** The properties of a Swarm service that metrics need. */
export interface SwarmService {
  readonly id: string;
  readonly name: string;
  /** Its `deploy.labels`; those for metrics if all labels of all services exceed a limit. */
  readonly labels: Readonly<Record<string, string>>;
  /** Desired replicas; of a global service, the number of eligible nodes. Absent for jobs, and if unknown. */
  readonly replicas?: number;
}

/** A task of the proxy's own service. */
export interface ProxyTask {
  readonly id: string;
  /** Id of its node. */
  readonly node: string;
  /** Its addresses on overlay networks, without the ingress network. */
  readonly addresses: readonly string[];
}

export type SwarmDocumentContent = Pick<SwarmDocument, "services" | "tasks">;
export type Publication = Batch | TargetsDocument | SwarmDocument;
/** A publication without its header. */
export type PublicationContent =
  | WithoutHeader<Batch>
  | WithoutHeader<TargetsDocument>
  | WithoutHeader<SwarmDocument>;
type WithoutHeader<T> = Omit<T, keyof PublicationHeader>;
export type PublicationKind = Publication["kind"];

/** Whether a publication is local: it is not sent to other nodes. */
export function isLocal(publication: Publication): boolean {
  return publication.kind === "batch" && publication.local === true;
}

/** Whether an attempt succeeded. */
export function succeeded<T extends Pick<Attempt, "outcome">>(
  attempt: T,
): attempt is T & { readonly outcome: ScrapeInfo } {
  return "number" in attempt.outcome;
}

/**
 * Replaces scrapes above a size by failures, because another node may have a higher limit.
 *
 * @param maxSize uncompressed, in bytes.
 */
export function withScrapesUpTo(publication: Publication, maxSize: number): Publication {
  if (publication.kind !== "batch") return publication;
  const exceeds = (attempt: Attempt) => succeeded(attempt) && attempt.outcome.size > maxSize;
  if (!publication.attempts.some(exceeds)) return publication;
  const outcome = { reason: `exposition exceeds SCRAPE_MAX_BYTES of this node, ${maxSize}` };
  const attempts = publication.attempts.map((attempt) =>
    exceeds(attempt) ? { ...attempt, outcome } : attempt,
  );
  return { ...publication, attempts };
}

/** The numbers of the scrapes that a batch names, each once. */
export function scrapesNamedBy({ attempts }: Batch): number[] {
  const numbers = new Set<number>();
  for (const attempt of attempts) if (succeeded(attempt)) numbers.add(attempt.outcome.number);
  return [...numbers];
}
