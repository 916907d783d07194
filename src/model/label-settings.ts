import { isPathSegment, quoted } from "./path-segment.js";

/** What a container's labels say about its metrics. Absent: nothing said, or what is said cannot be used. */
export interface LabelSettings {
  /** `false` with the label that says so in `enableLabel`. */
  readonly enable?: boolean;
  readonly enableLabel?: string;
  /** 1 to 65535. */
  readonly port?: number;
  /** Begins with a slash; may carry a query string. */
  readonly path?: string;
  readonly scheme?: "http" | "https";
  /** Usable as one path segment. */
  readonly name?: string;
  /** Which credentials it is asked with, as it stands: a name that nobody knows is refused, never passed over. */
  readonly auth?: string;
  /** Labels that cannot be used, in words. */
  readonly problems: readonly string[];
}

/**
 * The settings in `metrics.enable|port|path|scheme|name|auth` and in `prometheus.io/scrape|port|path|scheme`. The
 * first family wins, setting by setting. An empty label says nothing. A label that cannot be used is a problem
 * and counts as absent.
 */
export function readLabelSettings(labels: Readonly<Record<string, string>>): LabelSettings {
  const problems: string[] = [];

  const read = <T>(names: readonly string[], allowed: string, parse: (text: string) => T | undefined) => {
    for (const label of names) {
      const text = labels[label]?.trim() ?? "";
      if (text === "") continue;
      const value = parse(text);
      if (value !== undefined) return { label, value };
      problems.push(`label ${label}=${quoted(text)} is ignored: it must be ${allowed}`);
    }
    return undefined;
  };

  const enable = read(["metrics.enable", "prometheus.io/scrape"], "true or false", parseFlag);
  const port = read(["metrics.port", "prometheus.io/port"], "a port from 1 to 65535", parsePort);
  const path = read(["metrics.path", "prometheus.io/path"], "a path such as /metrics", parsePath);
  const scheme = read(["metrics.scheme", "prometheus.io/scheme"], "http or https", parseScheme);
  const name = read(["metrics.name"], 'one segment of a path: no "/", not "-", "." or ".."', parseName);
  const auth = labels["metrics.auth"]?.trim() ?? "";

  return {
    ...(enable && { enable: enable.value, enableLabel: `${enable.label}=${enable.value}` }),
    ...(port && { port: port.value }),
    ...(path && { path: path.value }),
    ...(scheme && { scheme: scheme.value }),
    ...(name && { name: name.value }),
    ...(auth !== "" && { auth }),
    problems,
  };
}

/** Whether the labels say that there are metrics: enabled, or told where. */
export function expectsMetrics(settings: LabelSettings): boolean {
  const { enable, port, path, scheme, name, auth } = settings;
  return enable ?? [port, path, scheme, name, auth].some((setting) => setting !== undefined);
}

/**
 * A path as it goes into a URL: with a leading slash, its query string kept. Undefined where it cannot be one
 * (control characters, a fragment).
 */
export function parsePath(text: string): string | undefined {
  if (/[\p{Cc}\p{Cs}#]/u.test(text)) return undefined;
  return text.startsWith("/") ? text : `/${text}`;
}

/** `http` or `https`, in any case, as in a URL. */
export function parseScheme(text: string): "http" | "https" | undefined {
  const scheme = text.toLowerCase();
  return scheme === "http" || scheme === "https" ? scheme : undefined;
}

/** A TCP port in decimal digits, 1 to 65535. */
export function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : undefined;
}

function parseFlag(text: string): boolean | undefined {
  const flag = text.toLowerCase();
  return flag === "true" ? true : flag === "false" ? false : undefined;
}

function parseName(text: string): string | undefined {
  return isPathSegment(text) ? text : undefined;
}
