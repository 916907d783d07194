import type { Cache } from "../cache/cache.js";
import type { Publisher } from "../cache/publisher.js";
import type { EngineApi } from "../discovery/docker/engine-api.js";
import type { OwnTask } from "../discovery/docker/own-container.js";
import { describeError } from "../errors.js";
import type { Logger } from "../logging.js";
import { readLabelSettings } from "../model/label-settings.js";
import type { SwarmDocument } from "../model/publication.js";
import { type ServiceLabels, serviceLabelsOf } from "../model/service-labels.js";

/** Reads what a manager's engine knows about the swarm, and publishes it. */
export class SwarmObserver {
  /** The proxy's own task, if it runs in a Swarm service. Undefined until known. */
  task: OwnTask | undefined;
  /** Whether this node is a manager. */
  manager = false;
  /** Why the last attempt to read the swarm failed. */
  failure: Error | undefined;

  constructor(
    private readonly cache: Cache,
    private readonly engine: EngineApi | undefined,
    private readonly logger: Logger,
  ) {}

  /** Never rejects: a failure is logged once, and the last document remains valid. */
  async observe(publisher: Publisher, signal: AbortSignal): Promise<void> {
    const { engine, task } = this;
    if (engine === undefined) return;
    try {
      const manager = await engine.isManager(signal);
      if (manager) {
        const [services, tasks] = await Promise.all([
          // Restrictive socket proxies do not list services.
          engine.services(signal).catch(() => this.document?.services ?? []),
          task === undefined ? [] : engine.serviceTasks(task.serviceId, signal),
        ]);
        publisher.swarm({ services: services.toSorted(byId), tasks: tasks.toSorted(byId) });
      }
      this.manager = manager;
      this.failure = undefined;
    } catch (error) {
      if (signal.aborted) return;
      if (this.failure === undefined)
        this.logger.debug("swarm state unknown", { error: describeError(error) });
      this.failure = error as Error;
    }
  }

  /** The current swarm document: a manager's own, otherwise the youngest. */
  get document(): SwarmDocument | undefined {
    const { own, swarm } = this.cache;
    const published = this.manager && own !== undefined ? this.cache.feed(own)?.swarmDocument : undefined;
    return published?.publication ?? swarm;
  }

  /** `deploy.labels` by service. */
  serviceLabels(): ServiceLabels {
    return serviceLabelsOf(this.document?.services ?? []);
  }

  /**
   * Desired replicas by the full name under which a service is served, without the service of the proxy, which is no
   * target. Empty except on managers.
   */
  desiredReplicas(): ReadonlyMap<string, number> {
    const desired = new Map<string, number>();
    if (!this.manager) return desired;
    for (const { id, name, labels, replicas } of this.document?.services ?? []) {
      if (replicas === undefined || id === this.task?.serviceId) continue;
      const job = readLabelSettings(labels).name ?? name;
      desired.set(job, (desired.get(job) ?? 0) + replicas);
    }
    return desired;
  }
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}
