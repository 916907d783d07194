/**
 * Work in steps of a few milliseconds at most, whatever the input, so that the caller can do other work between two
 * steps. The generator returns the result.
 */
export type Steps<T> = Generator<undefined, T>;

/** Bytes that are copied per step. They take about a tenth of a millisecond. */
const copiedPerStep = 256 * 1024;
/** Short pieces take as much time as so many bytes. */
const minPieceBytes = 1024;
/** Items of a list that are processed per step, each in some microseconds. */
const itemsPerStep = 100;

/** Iterates over a list of any length in steps. */
export function* inSteps<T>(list: Iterable<T>, process: (item: T) => void): Steps<void> {
  let count = 0;
  for (const item of list) {
    process(item);
    if (++count % itemsPerStep === 0) yield;
  }
}

/** Concatenates buffers in steps. */
export function* concatInSteps(pieces: readonly Buffer[], length: number): Steps<Buffer> {
  const whole = Buffer.allocUnsafeSlow(length);
  let at = 0;
  let copied = 0;
  for (const piece of pieces) {
    for (let pos = 0; pos < piece.length; pos += copiedPerStep) {
      at += piece.copy(whole, at, pos, pos + copiedPerStep);
      copied += Math.max(Math.min(piece.length - pos, copiedPerStep), minPieceBytes);
      if (copied < copiedPerStep) continue;
      copied = 0;
      yield;
    }
  }
  return whole;
}
