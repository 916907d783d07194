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
  /** The other side holds a version of this side's own that is ahead of it: this side must go above its epoch. */
  readonly raiseOwn?: Version;
  /** The same the other way round. */
  readonly raiseTheirs?: Version;
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
  const raiseOwn = versionAhead(theirs, mine);
  const raiseTheirs = versionAhead(mine, theirs);
  return {
    want,
    give,
    ...(raiseOwn === undefined ? {} : { raiseOwn }),
    ...(raiseTheirs === undefined ? {} : { raiseTheirs }),
  };
}

/** What `holder` has of `owner`'s own, where the owner does not know it to be its past. */
function versionAhead(holder: Side, owner: Side): Version | undefined {
  const held = versionIn(holder, owner.origin);
  return compareVersions(held, versionIn(owner, owner.origin)) > 0 ? held : undefined;
}

function versionIn({ versions }: Side, origin: string): Version {
  return versions.get(origin) ?? noVersion;
}
