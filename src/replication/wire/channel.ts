import { setMaxListeners } from "node:events";
import type { Duplex } from "node:stream";
import { readStream, type StreamedMember, TarError, type TarHeader } from "../../archive/tar-reader.js";
import { encodeMembers, type TarMember } from "../../archive/tar-writer.js";
import { PeerError } from "../peer-error.js";
import type { ArrivingMemory } from "./arriving-memory.js";
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
  /** Whether the next message waits for memory. */
  readonly isWaiting: boolean;
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
  scrapes(
    accept: (header: TarHeader) => boolean | Promise<boolean>,
    onArrived: () => void,
  ): AsyncIterable<StreamedMember>;
}

const noBody = Buffer.alloc(0);

export interface ChannelOptions {
  /** Carries messages. */
  readonly messages: Duplex;
  /** Carries scrapes: a tar stream that does not end. */
  readonly scrapes: Duplex;
  readonly arriving: ArrivingMemory;
  /** Aborts when the connection ends. The reason is a PeerError. */
  readonly ended: AbortSignal;
  /** Milliseconds that the peer has to read a message, or a group of scrapes. */
  readonly sendMs: number;
  readonly onBytes: (direction: "in" | "out", bytes: number) => void;
}

/** Sends and receives messages and scrapes on two byte streams. */
export function openChannels(options: ChannelOptions): LinkChannels {
  const { messages, scrapes, arriving, ended, onBytes } = options;
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
      if (cause instanceof PeerError) throw cause;
      throw ended.aborted ? ended.reason : connectionClosed(cause);
    }
  }

  let isWaiting = false;
  return {
    get isWaiting() {
      return isWaiting;
    },

    send: (message, body = noBody) =>
      write(messages, encodeFrame({ json: Buffer.from(JSON.stringify(message)), body }), options),

    async *messages() {
      let release = () => {};
      const late = () => messages.destroy(new PeerError("timeout", "peer takes too long to send a message"));
      const reserve = async (bytes: number) => {
        isWaiting = true;
        release = await arriving.take(bytes, late);
        isWaiting = false;
      };
      try {
        for await (const { json, body } of readFrames(counted(messages), reserve)) {
          yield { message: parseMessage(json), body };
          release();
        }
      } finally {
        release();
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
