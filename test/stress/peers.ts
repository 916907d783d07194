import { setTimeout as sleep } from "node:timers/promises";
import { attack } from "../replication/attackers.js";
import { hello, message, messagesFrom, openRawLink } from "../replication/raw-peer.js";
import { startEvilClient } from "../replication/ssh/evil-client.js";
import { runChild } from "./child.js";
import { type PeerKind, peerKinds } from "./peer-kinds.js";

export interface PeersOptions {
  readonly port: number;
  readonly peers: readonly string[];
  /** Whether clients without the secret, and peers that violate the protocol, attack as well. */
  readonly intruders: boolean;
}

const haveEvery = 3000;
const noiseEvery = 200;

/** One link of a hostile peer, until the proxy closes it. */
async function runLink(port: number, kind: PeerKind, name: string, from: string): Promise<void> {
  const evil = await startEvilClient({ port }, from);
  const link = await openRawLink(evil);
  const newest = new Map<string, number>();
  const followed = new Set<string>();
  const publish = (origin: string) => {
    // The numbers of real nodes are microseconds as well.
    const number = Date.now() * 1000;
    newest.set(origin, number);
    if (followed.has(origin)) link.messages.write(kind.publish(origin, number));
  };
  const announce = () =>
    link.messages.write(
      message({
        kind: "have",
        origins: [...newest].map(([origin, number]): [string, number, number] => [origin, number, 0]),
      }),
    );
  link.messages.write(hello(name));
  for (const origin of kind.origins) publish(origin);
  announce();
  const timers = [
    setInterval(announce, haveEvery),
    setInterval(() => kind.origins.forEach(publish), kind.every),
  ];
  if (kind.noise !== undefined) {
    timers.push(setInterval(() => link.messages.write(kind.noise), noiseEvery));
  }
  void evil.closed.then(() => timers.forEach(clearInterval));
  try {
    for await (const arrived of messagesFrom(link)) {
      if (arrived.kind === "follow" && newest.has(arrived.origin)) {
        followed.add(arrived.origin);
        publish(arrived.origin);
      }
      if (arrived.kind !== "fetch") continue;
      for (const number of arrived.numbers) link.scrapes.write(await kind.member(arrived.origin, number));
    }
  } finally {
    evil.socket.destroy();
    await evil.closed;
  }
}

await runChild(true, async ({ port, peers, intruders }: PeersOptions) => {
  const links: Record<string, number> = {};
  const repeat = async (name: string, from: string) => {
    for (;;) {
      links[name] = (links[name] ?? 0) + 1;
      await runLink(port, peerKinds[name]!, `evil-${name}`, from).catch(() => undefined);
      await sleep(1000);
    }
  };
  for (const [index, name] of peers.entries()) void repeat(name, `127.0.1.${index + 1}`);
  if (intruders) attack(port);
  // How many links each kind of peer has opened: the proxy closes those that exceed a limit.
  return { ready: undefined, commands: { links: () => links } };
});
