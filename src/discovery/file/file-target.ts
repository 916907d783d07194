import { parseAddress } from "../../address/ip.js";
import { isLoopback } from "../../address/special-ranges.js";
import { formatHostPort, type HostPort, parseHostPort } from "../../model/host-port.js";
import { parsePath, parseScheme } from "../../model/label-settings.js";
import { isEncodableSegment, quoted } from "../../model/path-segment.js";
import type { Fetch, Target } from "../../model/target.js";
import { candidateUrls } from "../candidates.js";
import type { TargetGroup } from "./file-sd.js";

/**
 * The targets of a group. Their names are the labels `job` (default: the host) and `instance` (default: `host:port`, with
 * the node's name instead of a loopback address, which is the same on every node). Both may contain slashes. As in
 * Prometheus, `__scheme__`, `__metrics_path__` and `__param_*` form the URL, and the default port is that of the scheme.
 * `__auth__` names the entry with the credentials. Labels that begin with `__` are dropped.
 *
 * A target with an invalid address or URL label is unreachable, with the reason.
 */
export function targetsOf(group: TargetGroup, settings: FileSettings): readonly Target[] {
  return group.targets.map((written) => targetOf(written, group.labels, settings));
}

/** What the targets of a file have in common. */
export interface FileSettings {
  /** The path without a label; begins with a slash. */
  readonly metricsPath: string;
  /** The name of this node. */
  readonly node: string;
}

function targetOf(
  written: string,
  labels: Readonly<Record<string, string>>,
  { metricsPath, node }: FileSettings,
): Target {
  const problems: string[] = [];
  const scheme = parseScheme(labels["__scheme__"] || "http");
  const address = parseHostPort(written, { defaultPort: scheme === "https" ? 443 : 80 });
  const fetch = fetchOf(written, address, scheme, labels, metricsPath);

  const safe = (text: string) => {
    if (isEncodableSegment(text)) return text;
    problems.push(`${quoted(text)} cannot be one segment of a path: the default name is "target"`);
    return "target";
  };
  const named = (label: string, otherwise: string) => {
    const value = labels[label];
    if (!value) return safe(otherwise);
    if (isEncodableSegment(value)) return value;
    problems.push(`label ${label}=${quoted(value)} ignored: cannot be one segment of a path`);
    return safe(otherwise);
  };
  const job = named("job", address?.host ?? written);
  const replica = named("instance", address ? formatHostPort(addressOnNode(address, node)) : written);

  return {
    id: `file:${job}:${replica}:${fetch.kind === "http" ? fetch.urls[0] : written}`,
    provider: "file",
    title: address ? formatHostPort(address) : written,
    names: [job],
    job,
    replica,
    scope: "local",
    labels: ownLabels(labels, problems),
    fetch,
    expected: true,
    startedAt: 0,
    problems,
  };
}

/** The address with the node's name if it is a loopback address. */
function addressOnNode(address: HostPort, node: string): HostPort {
  const ip = parseAddress(address.host);
  const isLocal = ip === undefined ? /(^|\.)localhost\.?$/i.test(address.host) : isLoopback(ip);
  return isLocal ? { host: node, port: address.port } : address;
}

function fetchOf(
  written: string,
  address: HostPort | undefined,
  scheme: "http" | "https" | undefined,
  labels: Readonly<Record<string, string>>,
  defaultPath: string,
): Fetch {
  const path = parsePath(labels["__metrics_path__"] || defaultPath);
  const unreachable = (reason: string): Fetch => ({ kind: "none", state: "unreachable", reason });
  if (scheme === undefined)
    return unreachable(`label __scheme__=${quoted(labels["__scheme__"] ?? "")} must be http or https`);
  if (path === undefined)
    return unreachable(
      `label __metrics_path__=${quoted(labels["__metrics_path__"] ?? "")} is not a valid path`,
    );
  const [url] = address === undefined ? [] : candidateUrls(scheme, address.host, [address.port], path);
  if (url === undefined)
    return unreachable(`target ${quoted(written)} must be host:port, with an IPv6 address in brackets`);
  const auth = labels["__auth__"]?.trim() ?? "";
  return { kind: "http", urls: [withParameters(url, labels)], ...(auth === "" ? {} : { auth }) };
}

function withParameters(url: string, labels: Readonly<Record<string, string>>): string {
  const result = new URL(url);
  for (const [label, value] of Object.entries(labels)) {
    if (label.startsWith("__param_") && label !== "__param_") {
      result.searchParams.set(label.slice("__param_".length), value);
    }
  }
  return result.href;
}

/** The labels for `/discovery`, where Prometheus would reject the whole list because of one invalid name. */
function ownLabels(
  labels: Readonly<Record<string, string>>,
  problems: string[],
): Readonly<Record<string, string>> {
  const valid = Object.entries(labels).filter(([name]) => {
    if (name.startsWith("__") || name === "job" || name === "instance") return false;
    const isValid = /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name);
    if (!isValid) problems.push(`label ${quoted(name)} ignored: not a valid label name`);
    return isValid;
  });
  return Object.fromEntries(valid);
}
