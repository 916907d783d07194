/** Labels of Swarm services (`deploy.labels` in a stack file) by service id; only those that say something of metrics. */
export type ServiceLabels = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** Those labels that the scan looks at, in any case as they are written. */
export function labelsOfMetrics(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(
      ([name]) => name.startsWith("metrics.") || name.startsWith("prometheus.io/"),
    ),
  );
}

/** A container's labels with those of its service; what the container says itself counts more. */
export function withServiceLabels(
  labels: Readonly<Record<string, string>>,
  services: ServiceLabels | undefined,
): Readonly<Record<string, string>> {
  const ofService = services?.get(labels["com.docker.swarm.service.id"] ?? "");
  return ofService === undefined ? labels : { ...ofService, ...labels };
}
