import { setTimeout as sleep } from "node:timers/promises";
import type { Group } from "./group.js";

/** What goes wrong during a run. Faults of proxies happen to node a, those of clocks to node b. */
export interface Fault {
  readonly name: string;
  /** How long it lasts in a full run. */
  readonly seconds: number;
  /** How far the clock of node b is ahead, in the notation of faketime and in seconds. */
  readonly clock?: { readonly faketime: string; readonly seconds: number };
  /** For `/federate`, in seconds, if the printed one is not enough: longer than Prometheus is down. */
  readonly history?: number;
  /** Runs the fault from start to end, and notes what nobody can scrape meanwhile. */
  run(group: Group, milliseconds: number): Promise<void>;
}

const wait: Fault["run"] = async (_group, milliseconds) => void (await sleep(milliseconds));

function kill(seconds: number): Fault {
  return {
    name: `kill -9 ${seconds} s`,
    seconds,
    run: ({ a, outage }, milliseconds) =>
      outage("node a", async () => {
        await a.kill();
        await sleep(milliseconds);
        await a.start();
      }),
  };
}

function pauseLinks(seconds: number): Fault {
  return {
    name: `link paused ${seconds} s`,
    seconds,
    async run({ linksOfA }, milliseconds) {
      for (const link of linksOfA) link.pause();
      await sleep(milliseconds);
      for (const link of linksOfA) link.resume();
    },
  };
}

function clockAhead(name: string, faketime: string, seconds: number): Fault {
  return { name: `clock ${name}`, clock: { faketime, seconds }, seconds: 20, run: wait };
}

/** All faults, in the order of the table. */
export const faults: readonly Fault[] = [
  { name: "none", seconds: 20, run: wait },
  {
    name: "source down 20 s",
    seconds: 20,
    run: ({ victim, outage }, milliseconds) =>
      outage("victim", async () => {
        await victim.down();
        await sleep(milliseconds);
        await victim.up();
      }),
  },
  {
    name: "source slow",
    seconds: 20,
    async run({ victim }, milliseconds) {
      victim.speed = "slow";
      await sleep(milliseconds);
      victim.speed = "fast";
    },
  },
  {
    name: "source too slow",
    seconds: 20,
    run: ({ victim, outage }, milliseconds) =>
      outage("victim", async () => {
        victim.speed = "too slow";
        await sleep(milliseconds);
        victim.speed = "fast";
      }),
  },
  {
    name: "counter restart",
    seconds: 10,
    async run({ victim }, milliseconds) {
      victim.restart();
      await sleep(milliseconds);
    },
  },
  kill(7),
  kill(25),
  {
    name: "SIGSTOP 10 s",
    seconds: 10,
    run: ({ a, outage }, milliseconds) =>
      outage("node a", async () => {
        a.signal("SIGSTOP");
        await sleep(milliseconds);
        a.signal("SIGCONT");
      }),
  },
  pauseLinks(10),
  pauseLinks(25),
  {
    name: "replica moved",
    seconds: 20,
    async run({ move, outage }, milliseconds) {
      await outage("mover", () => move("b"));
      await sleep(milliseconds);
      await outage("mover", () => move("a"));
    },
  },
  clockAhead("+4 s", "+4s", 4),
  clockAhead("+8 s", "+8s", 8),
  clockAhead("+5 min", "+5m", 300),
  clockAhead("+2 h", "+2h", 7200),
  {
    name: "Prometheus down 25 s",
    seconds: 25,
    history: 45,
    run: ({ servers, serverOutage }, milliseconds) =>
      serverOutage(async () => {
        await Promise.all(servers.map((server) => server.stop()));
        await sleep(milliseconds);
        await Promise.all(servers.map((server) => server.start()));
      }),
  },
];
