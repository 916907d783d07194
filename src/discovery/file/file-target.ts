import { formatHostPort, type HostPort, parseHostPort } from "../../model/host-port.js";
import { parsePath, parseScheme } from "../../model/label-settings.js";
import { isEncodableSegment, quoted } from "../../model/path-segment.js";
import type { Fetch, Target } from "../../model/target.js";
import { candidateUrls } from "../candidates.js";
import type { TargetGroup } from "./file-sd.js";

/**
 * The targets of a group. The labels `job` (else the host) and `instance` (else `host:port`) name each; job and
 * instance may contain slashes. `__scheme__`, `__metrics_path__` and `__param_*` make the URL as in Prometheus,
 * without a port that of the scheme counts. `__auth__` names the credentials it is asked with. Labels that begin with `__` end here, the others stay.
 *
 * A target whose address or labels cannot be used is there all the same, unreachable, with the reason.
 * @param defaultPath path where no label names one; begins with a slash.
 */
export function targetsOf(group: TargetGroup, defaultPath: string): readonly Target[] {
  return group.targets.map((written) => targetOf(written, group.labels, defaultPath));
}

function targetOf(written: string, labels: Readonly<Record<string, string>>, defaultPath: string): Target {
  const problems: string[] = [];
  const scheme = parseScheme(labels["__scheme__"] || "http");
  const address = parseHostPort(written, { defaultPort: scheme === "https" ? 443 : 80 });
  const fetch = fetchOf(written, address, scheme, labels, defaultPath);

  const safe = (text: string) => {
    if (isEncodableSegment(text)) return text;
    problems.push(`${quoted(text)} cannot be one segment of a path: called target unless labels name it`);
    return "target";
  };
  const named = (label: string, otherwise: string) => {
    const value = labels[label];
    if (!value) return safe(otherwise);
    if (isEncodableSegment(value)) return value;
    problems.push(`label ${label}=${quoted(value)} is ignored: it cannot be one segment of a path`);
    return safe(otherwise);
  };
  const job = named("job", address?.host ?? written);
  const replica = named("instance", address ? formatHostPort(address) : written);

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

function fetchOf(
  written: string,
  address: HostPort | undefined,
  scheme: "http" | "https" | undefined,
  labels: Readonly<Record<string, string>>,
  defaultPath: string,
): Fetch {
  const path = parsePath(labels["__metrics_path__"] || defaultPath);
  const refuse = (reason: string): Fetch => ({ kind: "none", state: "unreachable", reason });
  if (scheme === undefined)
    return refuse(`label __scheme__=${quoted(labels["__scheme__"] ?? "")}: http or https`);
  if (path === undefined) return refuse(`label __metrics_path__=${quoted(labels["__metrics_path__"] ?? "")}`);
  const [url] =
    address === undefined
      ? []
      : candidateUrls({ addresses: [address.host], ports: [address.port], path, scheme });
  if (url === undefined)
    return refuse(`target ${quoted(written)}: must be host:port, an IPv6 host in brackets`);
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

/** Labels that go on to whoever reads `/discovery`: Prometheus would refuse the whole list for an odd name. */
function ownLabels(
  labels: Readonly<Record<string, string>>,
  problems: string[],
): Readonly<Record<string, string>> {
  const kept = Object.entries(labels).filter(([name]) => {
    if (name.startsWith("__") || name === "job" || name === "instance") return false;
    const valid = /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name);
    if (!valid) problems.push(`label ${quoted(name)} is ignored: it is no valid label name`);
    return valid;
  });
  return Object.fromEntries(kept);
}
