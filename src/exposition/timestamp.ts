const largest = 2n ** 63n - 1n;

/**
 * A timestamp of OpenMetrics, in seconds, in the milliseconds of the text format: cut off after the millisecond, as
 * Prometheus does it. The text format has no time before 1970 and none beyond 63 bits: those become the first and
 * the last that it has, which a server refuses to store like the ones they stand for.
 */
export function toMilliseconds(seconds: string): string {
  const milliseconds = Math.trunc(Number(seconds) * 1000);
  if (!(milliseconds > 0)) return "0";
  if (milliseconds >= Number(largest)) return String(largest);
  return String(BigInt(milliseconds));
}
