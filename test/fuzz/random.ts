/** Numbers that look random and are the same for the same seed (xorshift, Marsaglia 2003). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 1;
    for (let round = 0; round < 8; round++) this.next();
  }

  /** A whole number from 0 to 2³² - 1. */
  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state >>> 0;
  }

  /** A whole number from 0 to `below` - 1; 0 where that is none. */
  below(below: number): number {
    return below <= 1 ? 0 : this.next() % below;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** Cuts bytes into pieces, the same ones for the same bytes: one by one, few at a time, or in a handful of pieces. */
export function inPieces(bytes: Buffer, seed: number): Buffer[] {
  const random = new Random(bytes.length * 31 + seed);
  const most = [1, 7, Math.max(1, bytes.length)][seed % 3]!;
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(most);
    // A copy, so that a stored piece does not reference its neighbours.
    pieces.push(Buffer.from(bytes.subarray(at, at + length)));
    at += length;
  }
  return pieces;
}
