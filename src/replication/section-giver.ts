import { noVersion } from "../model/version.js";
import { batchesOf } from "./batch.js";
import type { MessageChannel } from "./message-channel.js";
import { type ReceiverState, type SectionToSend, sectionFor } from "./section.js";
import type { SyncContext } from "./sync-context.js";

/** Gives the other end of a `sync` channel what it lacks. */
export class SectionGiver {
  readonly #messages: MessageChannel;
  readonly #context: SyncContext;

  constructor(messages: MessageChannel, context: SyncContext) {
    this.#messages = messages;
    this.#context = context;
  }

  /**
   * What a receiver lacks.
   *
   * @param states what it has of each origin, undefined where that is nothing.
   * @returns a section for each of these origins that this node knows.
   */
  sectionsFor(states: Iterable<readonly [origin: string, ReceiverState | undefined]>): SectionToSend[] {
    const { cache, clock } = this.#context;
    return [...states].flatMap(([origin, state = { ...noVersion, digest: 0 }]) => {
      return sectionFor(cache.holdings, origin, state, clock.monotonic()) ?? [];
    });
  }

  /** Sends sections with their entries. @throws PeerError */
  async send(sections: readonly SectionToSend[]): Promise<void> {
    for (const { section, entries } of sections) {
      await this.#messages.send({ kind: "section", section });
      for (const batch of batchesOf(entries)) {
        await this.#messages.sendBatch(batch);
        this.#context.count("out", batch.length);
      }
    }
  }
}
