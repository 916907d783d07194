import { createHash } from "node:crypto";
import type { ServiceLabels } from "../model/service-labels.js";

/** The labels of the swarm's services, as a manager knows them, or as one has told. */
export class ServiceLabelTable {
  #labels: ServiceLabels = new Map();
  #digest = "";
  readonly #listeners: (() => void)[] = [];

  get labels(): ServiceLabels {
    return this.#labels;
  }

  /** The same for the same labels on every node; empty where nothing was told yet. */
  get digest(): string {
    return this.#digest;
  }

  /** Calls `listener` whenever other labels have taken the place of those that were there. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  replace(labels: ServiceLabels): void {
    const sorted = [...labels].sort(([a], [b]) => (a < b ? -1 : 1));
    const text = JSON.stringify(sorted.map(([id, set]) => [id, Object.entries(set).sort()]));
    const digest = createHash("sha256").update(text).digest("base64").slice(0, 12);
    if (digest === this.#digest) return;
    this.#digest = digest;
    this.#labels = new Map(sorted);
    for (const listener of this.#listeners) listener();
  }
}
