import { readStream, type TarHeader } from "../../../src/archive/tar-reader.js";
import { encodeMembers, type TarMember } from "../../../src/archive/tar-writer.js";
import { PeerError } from "../../../src/replication/peer-error.js";
import type { Envelope, LinkChannels } from "../../../src/replication/wire/channel.js";
import { type Message, parseMessage } from "../../../src/replication/wire/messages.js";

/** Items that one end sent and the other end has not read; the test decides when each is delivered. */
export class ControlledQueue<T> {
  readonly items: T[] = [];
  #take: ((item: T | undefined) => void) | undefined;
  #idle: (() => void) | undefined;
  #closed = false;

  push(item: T): void {
    if (!this.#closed) this.items.push(item);
  }

  get deliverable(): boolean {
    return this.items.length > 0 && this.#take !== undefined;
  }

  /** Delivers one item; resolves when the reader has processed it. */
  deliver(): Promise<void> {
    const take = this.#take;
    if (take === undefined || this.items.length === 0) return Promise.resolve();
    this.#take = undefined;
    const processed = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    take(this.items.shift());
    return processed;
  }

  close(): void {
    this.#closed = true;
    this.items.length = 0;
    this.#take?.(undefined);
    this.#take = undefined;
    this.#idle?.();
  }

  async *read(): AsyncGenerator<T> {
    try {
      while (!this.#closed) {
        this.#idle?.();
        const item = await new Promise<T | undefined>((resolve) => {
          this.#take = resolve;
        });
        if (item === undefined) return;
        yield item;
      }
    } finally {
      this.#idle?.();
    }
  }
}

/** What was sent, for the laws. */
export interface SentItem {
  readonly message?: Message;
  readonly scrapes?: readonly TarMember[];
}

/** One direction of a connection. */
export class Direction {
  readonly messages = new ControlledQueue<Envelope>();
  readonly scrapes = new ControlledQueue<Buffer>();
  /** Sends that are being encoded. */
  pending = 0;

  constructor(readonly onSent: (item: SentItem) => void = () => undefined) {}

  get queues(): ControlledQueue<unknown>[] {
    return [this.messages as ControlledQueue<unknown>, this.scrapes as ControlledQueue<unknown>];
  }
}

/** Two ends joined in memory, with the real messages and tar members. */
export class MemoryConnection {
  readonly directions: readonly [Direction, Direction];
  closed = false;

  constructor(onSent: (from: 0 | 1, item: SentItem) => void = () => undefined) {
    this.directions = [new Direction((item) => onSent(0, item)), new Direction((item) => onSent(1, item))];
  }

  get queues(): ControlledQueue<unknown>[] {
    return this.directions.flatMap(({ queues }) => queues);
  }

  close(): void {
    this.closed = true;
    for (const queue of this.queues) queue.close();
  }

  /** The channels of one end. */
  end(index: 0 | 1): LinkChannels {
    const out = this.directions[index];
    const into = this.directions[index === 0 ? 1 : 0];
    const check = () => {
      if (this.closed) throw new PeerError("closed", "connection closed");
    };
    return {
      isWaiting: false,
      async send(message, body = Buffer.alloc(0)) {
        check();
        out.onSent({ message });
        out.messages.push({ message: parseMessage(Buffer.from(JSON.stringify(message))), body });
      },
      messages: () => into.messages.read(),
      async sendScrapes(members) {
        check();
        out.pending++;
        const bytes = Buffer.concat(await encodeMembers(members));
        out.pending--;
        out.onSent({ scrapes: members });
        // Cut anywhere, as on a network.
        const middle = Math.floor(bytes.length / 2);
        out.scrapes.push(bytes.subarray(0, middle));
        out.scrapes.push(bytes.subarray(middle));
      },
      scrapes: (accept: (header: TarHeader) => boolean | Promise<boolean>, onArrived: () => void) =>
        readStream(arriving(into.scrapes, onArrived), accept),
    };
  }
}

async function* arriving(queue: ControlledQueue<Buffer>, onArrived: () => void): AsyncGenerator<Buffer> {
  for await (const chunk of queue.read()) {
    onArrived();
    yield chunk;
  }
}
