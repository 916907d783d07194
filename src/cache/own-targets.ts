import { faultOfTarget, maxPublicationBytes, maxTargets } from "../archive/publication-json.js";
import { targetKeyOf } from "../archive/target-key.js";
import type { Logger } from "../logging.js";
import type { PublishedTarget } from "../model/publication.js";
import type { TargetStatus } from "../model/target-status.js";
import { printable } from "../printable.js";

interface OwnTarget {
  readonly published: PublishedTarget;
  /** Everything except `since`, for comparison. */
  readonly text: string;
  /** Why it cannot be published; if set, it is served on this node only. */
  readonly fault: string | undefined;
}

/** Leaves space for the fields of the document itself. */
const maxDocumentBytes = maxPublicationBytes - 1024 * 1024;
const maxReasonLength = 1000;

/** This node's targets as it publishes them, including ended ones. */
export class OwnTargets {
  readonly #logger: Logger;
  readonly #targets = new Map<string, OwnTarget>();
  readonly #idOfKey = new Map<number, string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Adds targets that an earlier process published, unless they are known. */
  adopt(targets: Iterable<PublishedTarget>): void {
    for (const target of targets) if (!this.#targets.has(target.id)) this.#set(target, textOf(target));
  }

  all(): PublishedTarget[] {
    return [...this.#targets.values()].map(({ published }) => published);
  }

  /** The targets that peers accept: valid ones, as many as fit into a document. */
  publishable(): PublishedTarget[] {
    const targets: PublishedTarget[] = [];
    let bytes = 0;
    for (const { published, text, fault } of this.#targets.values()) {
      const size = Buffer.byteLength(text);
      if (fault !== undefined || targets.length >= maxTargets || bytes + size > maxDocumentBytes) continue;
      bytes += size;
      targets.push(published);
    }
    return targets;
  }

  isPublishable(id: string): boolean {
    const target = this.#targets.get(id);
    return target !== undefined && target.fault === undefined;
  }

  /** The names of the providers of all targets. */
  providers(): Set<string> {
    return new Set([...this.#targets.keys()].map(providerOf));
  }

  /** The ids of the targets of a provider that have not ended. */
  idsOf(provider: string): string[] {
    return this.all().flatMap(({ id, state }) =>
      state !== "gone" && providerOf(id) === provider ? [id] : [],
    );
  }

  /** Updates the state of a target. @param now wall clock. @returns undefined if nothing changed. */
  update({ target, state, reason, url }: TargetStatus, now: number): PublishedTarget | undefined {
    const before = this.#targets.get(target.id);
    const { id, title, image, names, job, replica, scope, stack, labels } = target;
    const known = before?.published.state === "gone" ? undefined : before?.published;
    // After a restart of the proxy, the list of the engine has only the creation of a container that was restarted.
    const startedAt = Math.max(target.startedAt, known?.startedAt ?? 0);
    const published: PublishedTarget = {
      id,
      title,
      ...(image === undefined ? {} : { image }),
      names,
      job,
      replica,
      scope,
      ...(stack === undefined ? {} : { stack }),
      labels,
      startedAt,
      ...(startedAt === 0 ? { firstSeen: known?.firstSeen ?? now } : {}),
      state,
      ...(reason === undefined ? {} : { reason: plainReason(reason) }),
      ...(url === undefined ? {} : { url }),
      since: before?.published.state === state ? before.published.since : now,
    };
    const text = textOf(published);
    if (before?.text === text) return undefined;
    this.#set(published, text);
    return published;
  }

  /** Marks a target as ended. @returns undefined if it is unknown or has already ended. */
  end(id: string, now: number): PublishedTarget | undefined {
    const before = this.#targets.get(id)?.published;
    if (before === undefined || before.state === "gone") return undefined;
    const { reason: _, ...rest } = before;
    const ended: PublishedTarget = { ...rest, state: "gone", since: now };
    this.#set(ended, textOf(ended));
    return ended;
  }

  /** Removes targets that ended before a time. @returns whether any were removed. */
  removeEnded(before: number): boolean {
    let removed = false;
    for (const [id, { published }] of this.#targets) {
      if (published.state !== "gone" || published.since >= before) continue;
      this.#targets.delete(id);
      this.#idOfKey.delete(targetKeyOf(id));
      removed = true;
    }
    return removed;
  }

  #set(published: PublishedTarget, text: string): void {
    const { id, title } = published;
    const before = this.#targets.get(id);
    const fault = this.#faultOf(published);
    this.#targets.set(id, { published, text, fault });
    if (fault !== undefined && before?.fault !== fault) {
      this.#logger.warn("target not published to other nodes: invalid value", {
        target: title,
        reason: fault,
      });
    }
  }

  #faultOf(target: PublishedTarget): string | undefined {
    const key = targetKeyOf(target.id);
    const other = this.#idOfKey.get(key);
    if (other !== undefined && other !== target.id) return `its id has the same hash as that of ${other}`;
    this.#idOfKey.set(key, target.id);
    return faultOfTarget(target);
  }
}

/** The name of the provider: the start of a target's id. */
export function providerOf(id: string): string {
  return id.slice(0, id.indexOf(":"));
}

function textOf({ since: _, ...rest }: PublishedTarget): string {
  return JSON.stringify(rest);
}

/** A reason in the form that peers accept: one line of limited length. */
export function plainReason(reason: string): string {
  return printable(reason, maxReasonLength);
}
