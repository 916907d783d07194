import { isPathSegment, quoted } from "./path-segment.js";

/** Settings from the labels of a container. A missing or invalid label leaves its setting undefined. */
export interface LabelSettings {
  readonly enable?: boolean;
  /** The label that sets `enable`, with its value. */
  readonly enableLabel?: string;
  /** 1 to 65535. */
  readonly port?: number;
  /** Begins with a slash; may contain a query string. */
  readonly path?: string;
  readonly scheme?: "http" | "https";
  /** Usable as one path segment. */
  readonly name?: string;
  /** An entry of SCRAPE_AUTH_FILE. A target that names an unknown entry is not scraped. */
  readonly auth?: string;
  /** One message per invalid label. */
  readonly problems: readonly string[];
}

/**
 * Reads `metrics.enable|port|path|scheme|name|auth` and `prometheus.io/scrape|port|path|scheme`. For each setting, the
 * `metrics.` label takes precedence. An empty label counts as missing.
 */
export function readLabelSettings(labels: Readonly<Record<string, string>>): LabelSettings {
  const problems: string[] = [];

  const read = <T>(names: readonly string[], allowed: string, parse: (text: string) => T | undefined) => {
    for (const label of names) {
      const text = labels[label]?.trim() ?? "";
      if (text === "") continue;
      const value = parse(text);
      if (value !== undefined) return { label, value };
      problems.push(`label ${label}=${quoted(text)} ignored: must be ${allowed}`);
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

/** Whether the labels imply that the container has metrics. */
export function expectsMetrics(settings: LabelSettings): boolean {
  const { enable, port, path, scheme, name, auth } = settings;
  return enable ?? [port, path, scheme, name, auth].some((setting) => setting !== undefined);
}

/** The path and query string of a URL, with a leading slash; undefined if it is invalid or has a fragment. */
export function parsePath(text: string): string | undefined {
  if (/[\p{Cc}\p{Cs}#]/u.test(text)) return undefined;
  return text.startsWith("/") ? text : `/${text}`;
}

/** `http` or `https` in upper or lower case. */
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
