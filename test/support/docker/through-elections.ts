import { setTimeout as sleep } from "node:timers/promises";

const noLeader = /lost leader status|does not have a leader/;

/** Has the managers do something, again for as long as they are choosing a leader, as an operator would; 90 s at most. */
export async function throughElections<T>(command: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 90_000; ; await sleep(1000)) {
    try {
      return await command();
    } catch (error) {
      if (!noLeader.test(String(error)) || Date.now() > deadline) throw error;
    }
  }
}
