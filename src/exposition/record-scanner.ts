/** Returned by a scan instead of a position: the bytes are invalid; see `reason`. */
export const FAULT = -1;
/** Returned by a scan instead of a position: a quoted string continues after the available bytes. */
export const INCOMPLETE = -2;

/**
 * Scans a format record by record. A record is a line; in the text format, a line feed within quotes does not end it.
 *
 * Results are fields instead of returned objects, because a scan runs once for each of up to a million lines.
 */
export interface RecordScanner {
  /** To be called before the first scan of `bytes`, and again after they change. `utf8`: whether they are valid UTF-8. */
  begin(bytes: Buffer, utf8: boolean): void;

  /**
   * Scans the record at `start`. The bytes before `end` are complete lines: the last one is a line feed.
   *
   * @returns the position of the next record, FAULT or INCOMPLETE.
   */
  scan(bytes: Buffer, start: number, end: number): number;

  /** Number of lines of the last record. */
  readonly lines: number;
  /** Number of samples so far. */
  readonly samples: number;
  /** Whether the exposition may end here: always in the text format, after `# EOF` in OpenMetrics. */
  readonly complete: boolean;
  /** Whether everything that follows is ignored. */
  readonly ended: boolean;
  /** Why the last scan returned FAULT. */
  readonly reason: string;
}
