import { compareVersions, noVersion, type Version } from "../model/version.js";

/** What one side of an exchange is. */
export interface Side {
  /** Its own name as an origin. */
  readonly origin: string;
  readonly versions: ReadonlyMap<string, Version>;
}

/** What is to be done so that both sides know the newest of each origin. */
export interface Plan {
  /** Origins of which the other side knows more. */
  readonly want: readonly string[];
  /** Origins of which this side knows more. */
  readonly give: readonly string[];
  /** The other side holds an epoch of this side's own that this side must go above. */
  readonly raiseOwn?: number;
  /** This side holds an epoch of the other side's own that the other must go above. */
  readonly raiseTheirs?: number;
}

/**
 * Compares two sides. Of its own origin a side knows best, whatever others say: where another holds more of it, as
 * after its disk was wiped and its clock set back, it begins a higher epoch.
 */
export function planExchange(mine: Side, theirs: Side): Plan {
  const want: string[] = [];
  const give: string[] = [];
  for (const origin of new Set([...mine.versions.keys(), ...theirs.versions.keys()])) {
    if (origin === mine.origin && origin === theirs.origin) continue;
    const order = compareVersions(versionIn(mine, origin), versionIn(theirs, origin));
    if (order < 0 && origin !== mine.origin) want.push(origin);
    if (order > 0 && origin !== theirs.origin) give.push(origin);
  }
  const raiseOwn = epochAbove(theirs, mine);
  const raiseTheirs = epochAbove(mine, theirs);
  return {
    want,
    give,
    ...(raiseOwn === undefined ? {} : { raiseOwn }),
    ...(raiseTheirs === undefined ? {} : { raiseTheirs }),
  };
}

/** The epoch that `holder` has of `owner`'s own, where the owner does not know it to be its past. */
function epochAbove(holder: Side, owner: Side): number | undefined {
  const held = versionIn(holder, owner.origin);
  return compareVersions(held, versionIn(owner, owner.origin)) > 0 ? held.epoch : undefined;
}

function versionIn({ versions }: Side, origin: string): Version {
  return versions.get(origin) ?? noVersion;
}
