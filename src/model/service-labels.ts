import type { SwarmService } from "./publication.js";

/** Labels of Swarm services (`deploy.labels` in a stack file), by service id. */
export type ServiceLabels = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** The labels with the prefixes `metrics.` and `prometheus.io/`. */
export function metricsLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(
      ([name]) => name.startsWith("metrics.") || name.startsWith("prometheus.io/"),
    ),
  );
}

/** The labels that concern metrics: a peer publishes the others, too, but they must not replace those of Docker. */
export function serviceLabelsOf(services: readonly SwarmService[]): ServiceLabels {
  return new Map(services.map(({ id, labels }) => [id, metricsLabels(labels)]));
}

/** The labels of a container and its service. Labels of the container take precedence. */
export function withServiceLabels(
  labels: Readonly<Record<string, string>>,
  services: ServiceLabels | undefined,
): Readonly<Record<string, string>> {
  const ofService = services?.get(labels["com.docker.swarm.service.id"] ?? "");
  return ofService === undefined ? labels : { ...ofService, ...labels };
}
