import { type Profiler, Session } from "node:inspector";

/** Code of one file that ran, from one character to before another. */
export interface Piece {
  readonly url: string;
  readonly start: number;
  readonly end: number;
}

/** Which code under test has run, as V8 counts it. */
export class Coverage {
  readonly #session = new Session();
  readonly #folder: string;
  /** By URL: 1 for each character of the file that has run. */
  readonly #ran = new Map<string, Uint8Array>();
  #size = 0;

  /** @param folder part of the URL of the files that count. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#session.connect();
    this.#post("Profiler.enable");
    this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** How many pieces were kept. */
  get size(): number {
    return this.#size;
  }

  /** The code that ran since the last call and never before; it counts as seen only with `keep`. */
  fresh(): Piece[] {
    const { result } = this.#post("Profiler.takePreciseCoverage") as Profiler.TakePreciseCoverageReturnType;
    return result
      .filter(({ url }) => url.includes(this.#folder))
      .flatMap(({ url, functions }) => this.#piecesOf(url, running(functions)));
  }

  keep(pieces: readonly Piece[]): void {
    for (const { url, start, end } of pieces) {
      const ran = this.#ranOf(url, end);
      if (ran.subarray(start, end).includes(0)) this.#size++;
      ran.fill(1, start, end);
    }
  }

  close(): void {
    this.#session.disconnect();
  }

  #piecesOf(url: string, now: Uint8Array): Piece[] {
    const ran = this.#ranOf(url, now.length);
    const pieces: Piece[] = [];
    for (let at = 0; at < now.length; at++) {
      const start = at;
      while (at < now.length && now[at]! > ran[at]!) at++;
      if (at > start) pieces.push({ url, start, end: at });
    }
    return pieces;
  }

  #ranOf(url: string, length: number): Uint8Array {
    const known = this.#ran.get(url) ?? new Uint8Array();
    if (known.length >= length) return known;
    const grown = new Uint8Array(length);
    grown.set(known);
    this.#ran.set(url, grown);
    return grown;
  }

  #post(method: string, parameters?: object): unknown {
    let answer: unknown;
    this.#session.post(method, parameters, (error, result) => {
      if (error) throw error;
      answer = result;
    });
    return answer;
  }
}

/**
 * 1 for each character that ran. V8 gives ranges from the outside to the inside, and leaves out those that ran as
 * often as what is around them: that a block ran for the first time shows only by the absence of a range with 0.
 */
function running(functions: readonly Profiler.FunctionCoverage[]): Uint8Array {
  const ranges = functions.flatMap((one) => one.ranges);
  const now = new Uint8Array(ranges.reduce((most, { endOffset }) => Math.max(most, endOffset), 0));
  for (const { startOffset, endOffset, count } of ranges) now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  return now;
}
