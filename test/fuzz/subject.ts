import type fc from "fast-check";

/** Something that reads what comes from outside, and what must hold whatever it gets. */
export interface Subject {
  readonly name: string;
  /** Inputs to begin with: good ones, so that changing them a little reaches far. */
  readonly seeds: () => readonly Buffer[] | Promise<readonly Buffer[]>;
  /** Words of the format, to be put in anywhere. */
  readonly words: readonly string[];
  /** Inputs made up by the rules of the format. */
  readonly madeUp?: fc.Arbitrary<Buffer>;
  /** Longest input in bytes, default: 16 KiB. */
  readonly maxBytes?: number;
  /**
   * Feeds an input to what is tested, and checks the laws. Refusing an input in the way that is meant for it is
   * fine; anything else is thrown.
   */
  readonly check: (input: Buffer) => void | Promise<void>;
}

/** A law that does not hold. */
export class LawBroken extends Error {
  override readonly name = "LawBroken";

  constructor(
    readonly law: string,
    detail: string | undefined,
  ) {
    super(detail === undefined ? law : `${law}: ${detail}`);
  }
}

/** @throws LawBroken where it does not hold. */
export function law(holds: boolean, what: string, detail?: () => unknown): asserts holds {
  if (!holds) throw new LawBroken(what, JSON.stringify(detail?.())?.slice(0, 2000));
}

/** What `read` gives, or undefined where it refuses with an error that is meant for that. */
export function refusing<T>(read: () => T, isRefusal: (error: unknown) => boolean): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}
