import { faultOfService, maxPublicationBytes } from "../archive/publication-json.js";
import type { Logger } from "../logging.js";
import type { SwarmDocumentContent, SwarmService } from "../model/publication.js";
import { metricsLabels } from "../model/service-labels.js";

/** Characters of JSON up to which all labels are published. In bytes, that is less than receivers accept. */
const maxTextLength = maxPublicationBytes / 4;

/** A service with only those labels that decide what is scraped. The others are for `/discovery`. */
function reduced(service: SwarmService): SwarmService {
  return { ...service, labels: metricsLabels(service.labels) };
}

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
    const allFit = text.length <= maxTextLength;
    this.#content = {
      ...content,
      services: content.services
        .map((service) => (allFit && faultOfService(service) === undefined ? service : reduced(service)))
        .filter((service) => this.#isPublishable(service)),
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
