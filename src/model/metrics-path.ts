/*
 * Prometheus percent-encodes the path that it is told (`metrics_path`, `__metrics_path__`), whatever is in it: so it
 * is told names as they are, where a browser is given them encoded.
 */

/** `/<segment>/…/metrics` for Prometheus. A slash within a segment is `%2F`, which Prometheus then sends as `%252F`. */
export function metricsPathOf(...segments: string[]): string {
  return `/${segments.map((segment) => segment.replaceAll("/", "%2F")).join("/")}/metrics`;
}

/** A segment that was sent for such a path, decoded once, with its slashes. */
export function withSlashes(segment: string): string {
  return segment.replaceAll("%2F", "/");
}
