import { setTimeout as sleep } from "node:timers/promises";
import { readExposition, seriesKey } from "../../support/exposition-reader.js";
import type { ProxyClient } from "../proxy-client.js";

/** Sends requests to proxies all the time, and checks that no response has a series twice. */
export interface Watch {
  /** Ends it. @throws Error if a response had a series twice, or if there was no response. */
  end(): Promise<void>;
}

/** @param paths such as `/web/metrics`; in responses of `/federate`, every sample must have job and instance. */
export function watchForDuplicates(clients: readonly ProxyClient[], paths: readonly string[]): Watch {
  let ended = false;
  let responses = 0;
  const faults = new Set<string>();
  const watch = async (client: ProxyClient) => {
    while (!ended) {
      for (const path of paths) {
        const response = await client.get(path).catch(() => undefined);
        if (response?.status !== 200) continue;
        responses++;
        for (const fault of faultsOf(response.body, path)) faults.add(`${client.url}${path}: ${fault}`);
      }
      await sleep(100);
    }
  };
  const running = clients.map(watch);
  return {
    async end() {
      ended = true;
      await Promise.all(running);
      if (responses === 0) throw new Error(`no response to any of ${paths.join(", ")}`);
      if (faults.size > 0) throw new Error([...faults].join("\n"));
    },
  };
}

function faultsOf(body: string, path: string): string[] {
  const seen = new Set<string>();
  const faults: string[] = [];
  const { samples } = readExposition(Buffer.from(body), "text");
  for (const sample of samples) {
    // Labels that differ between two containers of one instance must not hide the duplicate.
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

/** Checks the age of responses all the time. */
export interface AgeWatch {
  /** Ends it. Returns the highest `Age` in seconds; infinity if a response was not 200. */
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
        // A response without an age: NaN, which stays.
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
