import { setTimeout as sleep } from "node:timers/promises";

/** What `/targets` says of one target. */
export interface TargetJson {
  readonly id: string;
  readonly title: string;
  readonly names: readonly string[];
  readonly job: string;
  readonly replica: string;
  readonly instance: string;
  readonly state: string;
  readonly reason?: string;
  readonly problems?: readonly string[];
}

/** What `/targets` says. */
export interface TargetsJson {
  readonly node: string;
  readonly providers: readonly { readonly name: string; readonly ok: boolean; readonly reason?: string }[];
  readonly targets: readonly TargetJson[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** Asks a proxy as Prometheus or a person would. */
export class ProxyClient {
  constructor(readonly url: string) {}

  async get(path: string): Promise<Answer> {
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(5000) });
    return { status: response.status, headers: response.headers, body: await response.text() };
  }

  /** The exposition under a name; fails on any status but 200. */
  async metrics(name: string): Promise<string> {
    const { status, body } = await this.get(`/${name}/metrics`);
    if (status !== 200) throw new Error(`/${name}/metrics answers ${status}: ${body}`);
    return body;
  }

  async targets(): Promise<TargetsJson> {
    return JSON.parse((await this.get("/targets")).body) as TargetsJson;
  }

  /** The target with this title, such as a container's name. */
  async target(title: string): Promise<TargetJson | undefined> {
    return (await this.targets()).targets.find((target) => target.title === title);
  }

  /** One of the proxy's own metrics: the sum over its samples whose labels contain `labels`. */
  async ownMetric(name: string, labels = ""): Promise<number> {
    const lines = (await this.get("/metrics")).body.split("\n");
    const samples = lines.filter((line) => line.startsWith(name) && /[ {]/.test(line.charAt(name.length)));
    return samples
      .filter((line) => line.includes(labels))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  }

  /** Waits until it answers; gives up as soon as `alive` says no. */
  async untilHealthy(alive: () => boolean): Promise<void> {
    for (const deadline = Date.now() + 20_000; ; await sleep(20)) {
      try {
        if ((await this.get("/-/healthy")).status === 200) return;
      } catch (error) {
        if (!alive() || Date.now() > deadline) throw error;
      }
    }
  }

  /** Waits until the first scan is done. */
  async untilReady(): Promise<void> {
    while ((await this.get("/-/ready")).status !== 200) await sleep(50);
  }
}
