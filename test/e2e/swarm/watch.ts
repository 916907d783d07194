import { setTimeout as sleep } from "node:timers/promises";
import { readExposition, seriesKey } from "../../support/exposition-reader.js";
import type { ProxyClient } from "../proxy-client.js";

/** Asks proxies all the time and checks each answer: no series may be there twice. */
export interface Watch {
  /** Ends it. @throws Error where a series was there twice, or nothing was seen. */
  end(): Promise<void>;
}

/** @param paths such as `/web/metrics`; in the answer to each `/federate` every sample must name job and instance. */
export function watchForDuplicates(clients: readonly ProxyClient[], paths: readonly string[]): Watch {
  let ended = false;
  let answers = 0;
  const faults = new Set<string>();
  const watch = async (client: ProxyClient) => {
    while (!ended) {
      for (const path of paths) {
        const answer = await client.get(path).catch(() => undefined);
        if (answer?.status !== 200) continue;
        answers++;
        for (const fault of faultsOf(answer.body, path)) faults.add(`${client.url}${path}: ${fault}`);
      }
      await sleep(100);
    }
  };
  const running = clients.map(watch);
  return {
    async end() {
      ended = true;
      await Promise.all(running);
      if (answers === 0) throw new Error(`no answer of any of ${paths.join(", ")} was seen`);
      if (faults.size > 0) throw new Error([...faults].join("\n"));
    },
  };
}

function faultsOf(body: string, path: string): string[] {
  const seen = new Set<string>();
  const faults: string[] = [];
  const { samples } = readExposition(Buffer.from(body), "text");
  for (const sample of samples) {
    // What tells the containers of one instance apart must not hide that there are two of it.
    const labels = sample.labels.filter(([name]) => name !== "container" && name !== "version");
    const key = seriesKey({ name: sample.name, labels });
    if (seen.has(key)) faults.push(`twice: ${key}`);
    seen.add(key);
    const names = new Set(labels.map(([name]) => name));
    if (path.endsWith("/federate") && !(names.has("job") && names.has("instance"))) {
      faults.push(`without job or instance: ${key}`);
    }
  }
  return faults;
}

/** Asks proxies all the time how old what they serve is. */
export interface AgeWatch {
  /** Ends it; answers the highest `Age` in seconds. What was not served counts as infinitely old. */
  end(): Promise<number>;
}

/** @param paths of single replicas that should be served all the time. */
export function watchForAge(clients: readonly ProxyClient[], paths: readonly string[]): AgeWatch {
  let ended = false;
  let oldest = -1;
  const watch = async (client: ProxyClient) => {
    while (!ended) {
      for (const path of paths) {
        const { status, headers } = await client.get(path);
        const age = status === 200 ? Number(headers.get("age") ?? Number.NaN) : Number.POSITIVE_INFINITY;
        // NaN, an answer without an age, stays.
        oldest = Number.isNaN(age) ? age : Math.max(oldest, age);
      }
      await sleep(100);
    }
  };
  const running = Promise.all(clients.map(watch));
  running.catch(() => undefined);
  return {
    async end() {
      ended = true;
      await running;
      return oldest;
    },
  };
}
