import type { PublishedTarget } from "../model/publication.js";
import { type Scrape, servedOf } from "../model/scrape.js";

/** A target that its origin lists, and its scrape to serve. The object is the same while the target is listed. */
export interface KnownTarget {
  readonly origin: string;
  readonly target: PublishedTarget;
  /** The youngest scrape whose bytes are in memory, fresh or not; undefined if the target has ended. */
  readonly scrape: Scrape | undefined;
}

/** The targets of one replica: the usual single one, or several, such as those of a task that moved. */
type Replica = KnownTarget | Set<KnownTarget>;

/** The targets of all origins that have not ended, by their names and replicas. */
export class NameIndex {
  readonly #byName = new Map<string, Map<string, Replica>>();
  /** The replicas with several targets, each with its name. */
  readonly #shared = new Map<Set<KnownTarget>, string>();

  add(known: KnownTarget): void {
    const { replica } = known.target;
    for (const name of namesOf(known)) {
      const replicas = this.#byName.get(name) ?? new Map<string, Replica>();
      this.#byName.set(name, replicas);
      const others = replicas.get(replica);
      if (others === undefined) {
        replicas.set(replica, known);
        continue;
      }
      const all = others instanceof Set ? others.add(known) : new Set([others, known]);
      replicas.set(replica, all);
      if (all.size > 1) this.#shared.set(all, name);
    }
  }

  /** Removes a target, which still has the names with which it was added. */
  delete(known: KnownTarget): void {
    const { replica } = known.target;
    for (const name of namesOf(known)) {
      const replicas = this.#byName.get(name);
      const others = replicas?.get(replica);
      if (others instanceof Set) {
        others.delete(known);
        if (others.size < 2) this.#shared.delete(others);
      }
      if (others === known || (others instanceof Set && others.size === 0)) replicas?.delete(replica);
      if (replicas?.size === 0) this.#byName.delete(name);
    }
  }

  /** The targets that have the same job and replica as others, by instance. */
  *rivals(): Generator<readonly KnownTarget[]> {
    for (const [targets, name] of this.#shared) {
      // Under a short name, there may be replicas of other services.
      const rivals = [...targets].filter(({ target }) => target.job === name);
      if (rivals.length > 1) yield rivals;
    }
  }

  /** Whether there is a target with this name, and with this replica if given. */
  has(name: string, replica?: string): boolean {
    const replicas = this.#byName.get(name);
    return replicas !== undefined && (replica === undefined || replicas.has(replica));
  }

  names(): Iterable<string> {
    return this.#byName.keys();
  }

  /** Whether a target with this name has a scrape, fresh or not. */
  hasScrape(name: string): boolean {
    for (const targets of this.replicas(name))
      for (const { scrape } of targets) if (scrape !== undefined) return true;
    return false;
  }

  /** The targets under a name, by replica. @param replica only this one. */
  *replicas(name: string, replica?: string): Generator<Iterable<KnownTarget>> {
    const replicas = this.#byName.get(name);
    const listed = replica === undefined ? replicas?.values() : [replicas?.get(replica)];
    for (const known of listed ?? []) if (known !== undefined) yield known instanceof Set ? known : [known];
  }

  /**
   * The fresh scrapes under a name, one per instance, and `undefined` for each replica without any.
   *
   * @param since the oldest start of a fresh scrape, on the monotonic clock.
   * @param replica only this one.
   */
  *fresh(name: string, since: number, replica?: string): Generator<Scrape | undefined> {
    for (const targets of this.replicas(name, replica)) {
      // All have the same replica, so the job identifies the instance.
      const claims = new Map<string, Scrape[]>();
      for (const { scrape } of targets) {
        if (scrape === undefined || scrape.measuredAt < since) continue;
        const others = claims.get(scrape.job);
        if (others === undefined) claims.set(scrape.job, [scrape]);
        else others.push(scrape);
      }
      if (claims.size === 0) yield undefined;
      else for (const all of claims.values()) yield servedOf(all);
    }
  }
}

/** The names of a target, and that of its service: every target can be found by it. */
function namesOf({ target: { names, job } }: KnownTarget): readonly string[] {
  return names.includes(job) ? names : [...names, job];
}

/** Whether a target is listed and has not ended. */
export function mayBeServed(target: PublishedTarget | undefined): boolean {
  return target !== undefined && target.state !== "gone";
}

/** Whether the index has both targets under the same names and replica. */
export function haveSameNames(one: PublishedTarget, other: PublishedTarget): boolean {
  const isSame = one.job === other.job && one.replica === other.replica;
  return (
    isSame && one.names.length === other.names.length && one.names.every((name, i) => name === other.names[i])
  );
}
