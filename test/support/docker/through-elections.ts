import { setTimeout as sleep } from "node:timers/promises";

const noLeader = /lost leader status|does not have a leader/;

/** Runs a command for the managers; repeats it while they elect a leader, for up to 90 s. */
export async function throughElections<T>(command: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 90_000; ; await sleep(1000)) {
    try {
      return await command();
    } catch (error) {
      if (!noLeader.test(String(error)) || Date.now() > deadline) throw error;
    }
  }
}
