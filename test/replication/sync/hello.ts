import type { MessageOf } from "../../../src/replication/wire/messages.js";

/** The first message of a peer. */
export function hello(origin: string, instance = `i-${origin}`, manager = true): MessageOf<"hello"> {
  return { kind: "hello", protocol: 2, origin, instance, manager };
}
