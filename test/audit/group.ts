import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { clockAhead } from "../support/faketime.js";
import type { Fault } from "./faults.js";
import { type Forwarder, startForwarder } from "./forwarder.js";
import { ProxyProcess, type ProxyTarget } from "./proxy.js";
import type { Server } from "./server.js";
import { Source } from "./sources.js";
import type { Outage } from "./verdict.js";

type Node = "a" | "b";

/** The sources: by service and replica, and the node that scrapes them. */
const layout = [
  { name: "victim1", job: "victim", instance: "1", node: "a" },
  { name: "one1", job: "one", instance: "1", node: "a" },
  { name: "shop1", job: "shop", instance: "1", node: "a" },
  { name: "shop2", job: "shop", instance: "2", node: "a" },
  { name: "shop3", job: "shop", instance: "3", node: "b" },
  { name: "odd1", job: "odd", instance: "1", node: "a" },
  { name: "odd2", job: "odd", instance: "2", node: "b" },
  { name: "mover1", job: "mover", instance: "1", node: "a" },
  { name: "mover2", job: "mover", instance: "2", node: "b" },
  { name: "other1", job: "other", instance: "1", node: "b" },
] as const satisfies readonly { name: string; job: string; instance: string; node: Node }[];

/** Milliseconds before the fault in which a scrape may not have left the process yet: two publications per second. */
const inFlight = 1200;
/** Milliseconds after the fault until everybody scrapes again. */
const recovery = 4000;
const readyTimeout = 60_000;

/** Sources, two proxies that scrape them, one without targets, and the links between the proxies. */
export class Group {
  readonly folder = mkdtempSync(join(tmpdir(), "audit-"));
  readonly sources: Source[] = [];
  /** Where the replica that moves runs on each node. Only one of them is up. */
  readonly movers = new Map<Node, Source>();
  readonly outages: Outage[] = [];
  /** When scraping failed although the node was running. */
  readonly failures: Outage[] = [];
  /** When the servers that store samples were down. */
  readonly serverOutages: Outage[] = [];
  servers: readonly Server[] = [];
  linksOfA: readonly Forwarder[] = [];
  #links: readonly Forwarder[] = [];
  readonly #proxies = new Map<Node | "c", ProxyProcess>();
  #moverOn: Node = "a";

  get a(): ProxyProcess {
    return this.#proxies.get("a")!;
  }

  get urls(): readonly string[] {
    return [...this.#proxies.values()].map(({ url }) => url);
  }

  get victim(): Source {
    return this.sources.find(({ name }) => name === "victim1")!;
  }

  /** The names of all sources, and of those that a node scrapes at the start. */
  readonly targets = layout;
  readonly names = layout.map(({ name }) => name as string);
  namesOn(node: Node): readonly string[] {
    return layout.filter((one) => one.node === node).map(({ name }) => name);
  }

  /** Starts everything and waits until each proxy serves all sources. */
  async start({ clock }: Fault, settings: Readonly<Record<string, string>>): Promise<void> {
    for (const [index, { name, job }] of layout.entries()) {
      const options = { name, slope: 10 + index, odd: job === "odd" };
      const source = await Source.start(options);
      this.sources.push(source);
      if (name !== "mover1") continue;
      const elsewhere = await Source.start(options);
      await elsewhere.down();
      this.sources.push(elsewhere);
      this.movers.set("a", source).set("b", elsewhere);
    }
    for (const name of ["a", "b", "c"] as const)
      this.#proxies.set(name, await ProxyProcess.create(name, this.folder));
    const [a, b, c] = [...this.#proxies.values()] as [ProxyProcess, ProxyProcess, ProxyProcess];
    const [ab, ac, bc] = await Promise.all([b, c, c].map(({ sshPort }) => startForwarder(sshPort)));
    this.#links = [ab!, ac!, bc!];
    this.linksOfA = [ab!, ac!];
    this.#listTargets();
    const peers = (...links: Forwarder[]) => links.map(({ port }) => `127.0.0.1:${port}`).join(" ");
    const common = { SSHPASS: "a secret of the audit", SCRAPE_INTERVAL: "1", ...settings };
    const ahead = clock === undefined ? {} : await clockAhead(clock.faketime);
    await Promise.all([
      a.start({ ...common, PEERS: peers(ab!, ac!) }),
      b.start({ ...common, PEERS: peers(bc!), ...ahead }),
      c.start(common),
    ]);
    await this.#untilComplete();
  }

  /** Ends the replica that moves, and starts it on another node. */
  readonly move = async (node: Node): Promise<void> => {
    await this.movers.get(this.#moverOn)!.down();
    this.#moverOn = node;
    const mover = this.movers.get(node)!;
    mover.restart();
    await mover.up();
    this.#listTargets();
  };

  /** Runs a fault during which nobody can scrape these sources. */
  readonly outage = async (who: "victim" | "mover" | "node a", run: () => Promise<void>): Promise<void> => {
    const sources = { victim: ["victim1"], mover: ["mover1"], "node a": this.namesOn("a") }[who];
    const begun = Date.now();
    await run();
    const ended = Date.now();
    this.outages.push({ sources, from: begun - inFlight, to: ended + recovery });
    if (who === "victim") this.failures.push({ sources, from: begun, to: ended });
  };

  /** Runs a fault during which nothing is stored. */
  readonly serverOutage = async (run: () => Promise<void>): Promise<void> => {
    const from = Date.now() - inFlight;
    await run();
    this.serverOutages.push({ sources: this.names, from, to: Date.now() + recovery });
  };

  /** The logs of the proxies. */
  get logs(): string {
    return [...this.#proxies.values()].map(({ name, log }) => `--- proxy ${name}\n${log}`).join("");
  }

  async stop(): Promise<void> {
    await Promise.all([
      ...this.servers.map((server) => server.stop()),
      ...[...this.#proxies.values()].map((proxy) => proxy.kill()),
    ]);
    await Promise.all([
      ...this.#links.map((link) => link.stop()),
      ...this.sources.map((source) => source.down()),
    ]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #listTargets(): void {
    for (const node of ["a", "b"] as const) {
      const targets: ProxyTarget[] = [];
      for (const { name, job, instance, ...rest } of layout) {
        const on = name === "mover1" ? this.#moverOn : rest.node;
        const source =
          name === "mover1" ? this.movers.get(on) : this.sources.find((one) => one.name === name);
        if (on === node) targets.push({ job, instance, port: source!.port });
      }
      this.#proxies.get(node)!.list(targets);
    }
  }

  async #untilComplete(): Promise<void> {
    const deadline = Date.now() + readyTimeout;
    const isComplete = async (proxy: ProxyProcess) => {
      const responses = await Promise.all(
        layout.map(({ job, instance }) => proxy.get(`/${job}/${instance}/metrics`)),
      );
      return responses.every(({ ok }) => ok);
    };
    for (const proxy of this.#proxies.values()) {
      while (!(await isComplete(proxy).catch(() => false))) {
        if (Date.now() > deadline)
          throw new Error(`proxy ${proxy.name} does not serve all sources:\n${this.logs}`);
        await sleep(200);
      }
    }
  }
}
