import type { Format } from "./format.js";

/**
 * Whether a text is an exposition: its format and the number of its samples (0 for one that is empty or says
 * nothing), or the first fault with the number of its line, from 1 on.
 */
export type Verdict =
  | { readonly ok: true; readonly format: Format; readonly samples: number }
  | { readonly ok: false; readonly line: number; readonly reason: string };

/**
 * Judges a text that comes in pieces, cut anywhere. It keeps no more of it than the line that is not whole.
 *
 * The measure is a Prometheus server: what it takes from a target is valid, what it fails a scrape for is not.
 * Where Prometheus 3 takes more than 2.42 does, that is valid too: names in quotes, exemplars on every sample of
 * an OpenMetrics text, a comma behind its last label. Refused although a server may take it: a line longer than
 * maxLineBytes, a sample with more than maxLabels labels, a label that is there twice but is replaced by the
 * server because of its name (`job`, `instance`), and a NUL as the only byte behind `# EOF`.
 */
export interface Validator {
  /**
   * Takes the next bytes; they are not kept and may be reused. False as soon as a fault is certain: nothing that
   * follows can mend it, so there is no need to read on.
   */
  push(chunk: Uint8Array): boolean;
  /** Tells that the text is over. To be called once, also after a fault. */
  end(): Verdict;
}
