/**
 * How new what a node knows of an origin is. The epoch is raised whenever the origin starts, the sequence whenever
 * it changes anything; only the origin itself raises either. Nothing is 0, 0.
 */
export interface Version {
  /** Milliseconds since the epoch of the wall clock at the start, or one above any earlier one. */
  readonly epoch: number;
  readonly sequence: number;
}

/** What is known of an origin that was never heard of. */
export const noVersion: Version = { epoch: 0, sequence: 0 };

/** Epochs beyond this one are refused: an origin must be able to go above whatever others say that it had. */
export const maxEpoch = 2 ** 52;

/** Below 0 where `a` is older than `b`, 0 where they are the same, above 0 where it is newer. */
export function compareVersions(a: Version, b: Version): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}
