/**
 * The path `/<segment>/…/metrics` for `metrics_path` and `__metrics_path__`. Prometheus percent-encodes it, so only
 * slashes within a segment are encoded here: as `%2F`, which Prometheus sends as `%252F`.
 */
export function metricsPathOf(...segments: string[]): string {
  return `/${segments.map((segment) => segment.replaceAll("/", "%2F")).join("/")}/metrics`;
}

/** The original segment, from a path that the server has decoded once. */
export function withSlashes(segment: string): string {
  return segment.replaceAll("%2F", "/");
}
