import { setMaxListeners } from "node:events";
import type { Duplex } from "node:stream";
import { readStream, type StreamedMember, TarError, type TarHeader } from "../../archive/tar-reader.js";
import { encodeMembers, type TarMember } from "../../archive/tar-writer.js";
import type { MemoryBudget } from "../../memory-budget.js";
import { PeerError } from "../peer-error.js";
import { encodeFrame, readFrames } from "./frames.js";
import { type Message, parseMessage } from "./messages.js";

/** A message and its body; only `publication` has one. */
export interface Envelope {
  readonly message: Message;
  readonly body: Buffer;
}

/** The two channels of a link, whatever transports them. */
export interface LinkChannels {
  /** Resolves when the next message can be sent. @throws PeerError */
  send(message: Message, body?: Buffer): Promise<void>;
  /** The messages of the peer. @throws PeerError */
  messages(): AsyncIterable<Envelope>;
  /** Sends scrapes; resolves when the next ones can be sent. @throws PeerError */
  sendScrapes(members: readonly TarMember[]): Promise<void>;
  /**
   * The scrapes of the peer.
   *
   * @param accept see `readStream`.
   * @param onArrived called when bytes arrive.
   * @throws PeerError
   */
  scrapes(accept: (header: TarHeader) => boolean, onArrived: () => void): AsyncIterable<StreamedMember>;
}

const noBody = Buffer.alloc(0);

export interface ChannelOptions {
  /** Carries messages. */
  readonly messages: Duplex;
  /** Carries scrapes: a tar stream that does not end. */
  readonly scrapes: Duplex;
  readonly budget: MemoryBudget;
  /** Aborts when the connection ends. The reason is a PeerError. */
  readonly ended: AbortSignal;
  /** Milliseconds that the peer has to read a message, or a group of scrapes. */
  readonly sendMs: number;
  readonly onBytes: (direction: "in" | "out", bytes: number) => void;
}

/** Sends and receives messages and scrapes on two byte streams. */
export function openChannels(options: ChannelOptions): LinkChannels {
  const { messages, scrapes, budget, ended, onBytes } = options;
  const destroy = () => {
    messages.destroy();
    scrapes.destroy();
  };
  // Every write that waits for the peer listens, too.
  setMaxListeners(0, ended);
  ended.addEventListener("abort", destroy, { once: true });
  if (ended.aborted) destroy();

  async function* counted(stream: Duplex, onArrived = () => {}): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of stream) {
        onBytes("in", (chunk as Buffer).length);
        onArrived();
        yield chunk as Buffer;
      }
    } catch (cause) {
      throw ended.aborted ? ended.reason : connectionClosed(cause);
    }
  }

  return {
    send: (message, body = noBody) =>
      write(messages, encodeFrame({ json: Buffer.from(JSON.stringify(message)), body }), options),

    async *messages() {
      let reserved = 0;
      const reserve = (bytes: number) => {
        if (!budget.take(bytes)) throw new PeerError("limit", "message does not fit into the memory budget");
        reserved = bytes;
      };
      try {
        for await (const { json, body } of readFrames(counted(messages), reserve)) {
          yield { message: parseMessage(json), body };
          budget.give(reserved);
          reserved = 0;
        }
      } finally {
        budget.give(reserved);
      }
    },

    async sendScrapes(members) {
      await write(scrapes, Buffer.concat(await encodeMembers(members)), options);
    },

    async *scrapes(accept, onArrived) {
      try {
        yield* readStream(counted(scrapes, onArrived), accept);
      } catch (cause) {
        if (!(cause instanceof TarError)) throw cause;
        throw new PeerError("protocol", "invalid archive", { cause });
      }
    },
  };
}

/** Resolves when the peer has read so much that the next bytes can be written. */
function write(stream: Duplex, bytes: Buffer, { ended, sendMs, onBytes }: ChannelOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    if (ended.aborted) return reject(ended.reason);
    const abort = () => settle(ended.reason);
    const expire = () =>
      settle(new PeerError("timeout", `peer did not read a message within ${sendMs / 1000} s`));
    const timer = setTimeout(expire, sendMs);
    const settle = (error?: Error) => {
      clearTimeout(timer);
      ended.removeEventListener("abort", abort);
      if (error === undefined) resolve();
      else reject(error);
    };
    ended.addEventListener("abort", abort);
    onBytes("out", bytes.length);
    stream.write(bytes, (error) => settle(error ? connectionClosed(error) : undefined));
  });
}

function connectionClosed(cause: unknown): PeerError {
  return new PeerError("closed", "connection closed", { cause });
}
