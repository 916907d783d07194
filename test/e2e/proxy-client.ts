import { setTimeout as sleep } from "node:timers/promises";

/** A target in `/targets`. */
export interface TargetJson {
  readonly node: string;
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

/** The response of `/targets`. */
export interface TargetsJson {
  readonly node: string;
  readonly providers: readonly { readonly name: string; readonly ok: boolean; readonly reason?: string }[];
  readonly targets: readonly TargetJson[];
  readonly replication: { readonly manager: boolean } | null;
}

export interface Response {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** A client of a proxy, as Prometheus or a person would be. */
export class ProxyClient {
  constructor(readonly url: string) {}

  async get(path: string): Promise<Response> {
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(5000) });
    return { status: response.status, headers: response.headers, body: await response.text() };
  }

  /** The exposition under a name. @throws Error on any status but 200. */
  async metrics(name: string): Promise<string> {
    const { status, body } = await this.get(`/${name}/metrics`);
    if (status !== 200) throw new Error(`/${name}/metrics: status ${status}: ${body}`);
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

  /** Waits for a response to `/-/healthy`, up to 20 s. Throws at once if `alive` returns false. */
  async untilHealthy(alive: () => boolean): Promise<void> {
    for (const deadline = Date.now() + 20_000; ; await sleep(20)) {
      try {
        if ((await this.get("/-/healthy")).status === 200) return;
      } catch (error) {
        if (!alive() || Date.now() > deadline) throw error;
      }
    }
  }

  /** Waits until the proxy is ready. */
  async untilReady(): Promise<void> {
    while ((await this.get("/-/ready")).status !== 200) await sleep(50);
  }
}
