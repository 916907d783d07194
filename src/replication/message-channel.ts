import type { Scrape } from "../model/scrape.js";
import { TokenBucket } from "../model/token-bucket.js";
import { encodeBatch } from "./batch.js";
import type { FrameChannel } from "./frame-channel.js";
import { encodeMessage, inflateMessage, type Message, type MessageOf, parseMessage } from "./messages.js";
import { PeerError } from "./peer-error.js";
import type { SyncContext } from "./sync-context.js";

/** A `sync` channel as messages, and the batches of entries that follow some of them. */
export class MessageChannel {
  readonly #frames: FrameChannel;
  readonly #context: SyncContext;
  /** Inflated bytes of messages that the other end may still send. */
  readonly #bytes: TokenBucket;

  constructor(frames: FrameChannel, context: SyncContext) {
    this.#frames = frames;
    this.#context = context;
    const { clock, limits } = context;
    const rate = { capacity: 4 * limits.messageBytes, perSecond: limits.messageBytes / 4 };
    this.#bytes = new TokenBucket(rate, clock.monotonic());
  }

  /** Sends messages in one go; resolves when there is room for more. @throws PeerError */
  send(...messages: Message[]): Promise<void> {
    return this.#frames.send(
      ...messages.map((message) => ({ kind: "m" as const, payload: encodeMessage(message) })),
    );
  }

  /** Sends entries as one batch; resolves when there is room for more. @throws PeerError */
  async sendBatch(entries: readonly Scrape[]): Promise<void> {
    const payload = await encodeBatch(entries, this.#context.clock.monotonic());
    await this.#frames.send({ kind: "t", payload });
  }

  /**
   * The next message.
   *
   * @param idleMs fails where the other end sends nothing for so long.
   * @throws PeerError
   */
  async receive(idleMs: number): Promise<Message> {
    const { kind, payload } = await this.#frames.receive(idleMs);
    if (kind !== "m") throw new PeerError("protocol", "it sends entries that were not asked for");
    const { clock, limits } = this.#context;
    const json = inflateMessage(payload, limits.messageBytes);
    if (!this.#bytes.take(clock.monotonic(), json.length)) {
      throw new PeerError("limit", "it says too much");
    }
    return parseMessage(json);
  }

  /** The next message, which has to be of this kind and to come soon. @throws PeerError */
  async expect<K extends Message["kind"]>(kind: K): Promise<MessageOf<K>> {
    const message = await this.receive(this.#context.limits.idleMs);
    if (message.kind !== kind) throw new PeerError("protocol", `it sends ${message.kind} instead of ${kind}`);
    return message as MessageOf<K>;
  }

  /** The archive of the next batch, which has to come soon. @throws PeerError */
  async receiveBatch(): Promise<Buffer> {
    const { kind, payload } = await this.#frames.receive(this.#context.limits.idleMs);
    if (kind !== "t") throw new PeerError("protocol", "it breaks off a section");
    return payload;
  }
}
