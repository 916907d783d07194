/** A scan's answer instead of a position: the bytes are not valid; `reason` tells why. */
export const FAULT = -1;
/** A scan's answer instead of a position: a quoted string goes on behind the bytes at hand. */
export const INCOMPLETE = -2;

/**
 * Reads a format record by record. A record is a line; in the text format a line feed inside of quotes does not
 * end it.
 *
 * It keeps what it learns in its fields instead of answering objects: it runs for each of a million lines.
 */
export interface RecordScanner {
  /** To be called before the first scan of `bytes`, and again after they changed: whether they are UTF-8. */
  begin(bytes: Buffer, utf8: boolean): void;

  /**
   * Reads the record that begins at `start`. The bytes before `end` are whole lines: the last is a line feed.
   *
   * Answers the position of the next record, or FAULT, or INCOMPLETE.
   */
  scan(bytes: Buffer, start: number, end: number): number;

  /** The lines of the record that was read last. */
  readonly lines: number;
  /** The samples that were read so far. */
  readonly samples: number;
  /** The text may end here: always, or behind the end that the format demands. */
  readonly complete: boolean;
  /** Nothing that follows is read any more. */
  readonly ended: boolean;
  /** Why the last scan answered FAULT, in plain words. */
  readonly reason: string;
}
