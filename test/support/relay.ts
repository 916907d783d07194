import { readConfig } from "../../src/config/config.js";
import type { RelayAllow } from "../../src/config/relay-allow.js";
import type { HostPort } from "../../src/model/host-port.js";
import type { Target } from "../../src/model/target.js";
import { Scheduler } from "../../src/scheduler.js";
import type { Resolve } from "../../src/server/relay/admission.js";
import { Relay } from "../../src/server/relay/relay.js";
import { createSystemResolver } from "../../src/server/relay/system-resolver.js";
import { setUpServer } from "./http-server.js";

/** Parses RELAY_ALLOW. */
export function allowed(text: string): RelayAllow {
  return readConfig({ RELAY_ALLOW: text }).relayAllow!;
}

/** A resolver of these names only. Each further request for a name returns its next result. */
export function namesIn(
  answers: Readonly<Record<string, readonly (readonly string[])[]>>,
): Resolve & { requests: string[] } {
  const requests: string[] = [];
  const resolve = async (host: string) => {
    const times = requests.filter((name) => name === host).length;
    requests.push(host);
    const known = answers[host];
    if (known === undefined) throw Object.assign(new Error(`no ${host}`), { code: "ENOTFOUND" });
    return known[Math.min(times, known.length - 1)]!;
  };
  return Object.assign(resolve, { requests });
}

/** A server with a relay. @param allow RELAY_ALLOW; all of loopback by default. */
export async function setUpRelay(
  options: {
    allow?: string;
    resolve?: Resolve;
    engine?: HostPort;
    targets?: readonly Target[];
    maxBytes?: number;
    timeout?: number;
    sendTimeout?: number;
  } = {},
) {
  const {
    allow = "127.0.0.0/8:* [::1]:*",
    targets = [],
    resolve = createSystemResolver(),
    ...rest
  } = options;
  const relay = new Relay({
    allow: allowed(allow),
    targets: () => targets,
    resolve,
    maxBytes: 8 * 1024 * 1024,
    timeout: 5,
    userAgent: "app-metrics-proxy/1.2.3",
    scheduler: new Scheduler(),
    ...rest,
  });
  const server = await setUpServer({ relay });
  const ask = (target: string, headers?: Record<string, string>, method?: "GET" | "HEAD") =>
    server.get(`/relay?target=${encodeURIComponent(target)}`, headers, method);
  /** The value of one metric of the relay. @param name with labels. */
  const metric = async (name: string) => {
    const { text } = await server.get("/metrics");
    const line = text.split("\n").find((sample) => sample.startsWith(`app_metrics_proxy_relay_${name} `));
    return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(" ")));
  };
  return { ...server, ask, metric };
}
