import { faultOfService } from "../archive/publication-json.js";
import type { Logger } from "../logging.js";
import type { SwarmDocumentContent, SwarmService } from "../model/publication.js";

/** The swarm as this manager publishes it. */
export class OwnSwarm {
  readonly #logger: Logger;
  #text: string | undefined;
  #content: SwarmDocumentContent | undefined;
  /** Ids of the services that were reported as invalid. */
  readonly #invalid = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** What peers accept; undefined before the first update. */
  get content(): SwarmDocumentContent | undefined {
    return this.#content;
  }

  /** @returns whether the content changed. */
  update(content: SwarmDocumentContent): boolean {
    const text = JSON.stringify(content);
    if (text === this.#text) return false;
    this.#text = text;
    this.#content = {
      ...content,
      services: content.services.filter((service) => this.#isPublishable(service)),
    };
    return true;
  }

  #isPublishable(service: SwarmService): boolean {
    const { id, name } = service;
    const reason = faultOfService(service);
    if (reason === undefined) this.#invalid.delete(id);
    else if (!this.#invalid.has(id)) {
      this.#invalid.add(id);
      this.#logger.warn("service not published to other nodes: invalid value", { service: name, reason });
    }
    return reason === undefined;
  }
}
