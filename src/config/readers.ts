import { isIPv6 } from "node:net";
import { isHostName, parseHostPort } from "../model/host-port.js";
import { parsePort } from "../model/label-settings.js";

/** The result of a reader: the value, or what the text must be; `expected` completes "must be". */
export type Reading<T> = { readonly value: T } | { readonly expected: string };

/** Parses the value of one variable, which is never empty. */
export type Reader<T> = (text: string) => Reading<T>;

/** The address to listen on; without a host, all addresses. */
export interface ListenAddress {
  readonly host?: string;
  /** 0 lets the system choose a free port. */
  readonly port: number;
}

/** The SSH port of this node, and of a peer without a port. */
export const defaultSshPort = 22;

/** Whole numbers from `min` to `max`, in decimal digits. */
export function wholeNumber(min: number, max: number, unit: string): Reader<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return { value };
    return { expected: `a whole number of ${unit} from ${min} to ${max}` };
  };
}

/** Numbers above 0 up to `max`, fractions allowed. */
export function positiveNumber(max: number, unit: string): Reader<number> {
  return (text) => {
    const value = /^\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
    if (value > 0 && value <= max) return { value };
    return { expected: `a number of ${unit} above 0 and at most ${max}` };
  };
}

/** One of a list of words. */
export function oneOf<T extends string>(words: readonly T[]): Reader<T> {
  return (text) => {
    const value = words.find((word) => word === text);
    return value === undefined ? { expected: `one of ${words.join(", ")}` } : { value };
  };
}

/** The ports that are always tried. */
export const wellKnownPorts: readonly number[] = [80, 8080, 9100];

/** Adds ports, separated by spaces or commas, to the well-known ones. */
export const portList: Reader<readonly number[]> = (text) => {
  const ports = wordsOf(text).map(parsePort);
  return ports.includes(undefined)
    ? { expected: "ports from 1 to 65535, separated by spaces or commas" }
    : { value: [...new Set([...wellKnownPorts, ...(ports as number[])])] };
};

/** The words of a list separated by spaces or commas. */
export function wordsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}

/** The path of a URL, which begins with a slash; a query string may follow. */
export const urlPath: Reader<string> = (text) =>
  /^\/[\x21-\x7e]*$/.test(text) && !text.includes("#")
    ? { value: text }
    : { expected: "a path that begins with a slash, such as /metrics" };

/** `:2137`, `127.0.0.1:2137`, `[::1]:2137`, `name:2137`. */
export const listenAddress: Reader<ListenAddress> = (text) => {
  const { host, port } = parseHostPort(text, { listening: true }) ?? {};
  if (port === undefined) return { expected: "host:port or :port, such as :2137 or 127.0.0.1:2137" };
  return { value: host ? { host, port } : { port } };
};

/** `host:port` at which others reach this node; both are required. */
export const hostAndPort: Reader<string> = (text) =>
  parseHostPort(text) === undefined
    ? { expected: "host:port, such as node1.example.org:2137" }
    : { value: text };

/** `host` or `host:port`, separated by spaces or commas. Parse each with parseHostPort and defaultSshPort. */
export const peerList: Reader<readonly string[]> = (text) => {
  const peers = wordsOf(text);
  const bad = peers.find((peer) => parseHostPort(peer, { defaultPort: defaultSshPort }) === undefined);
  if (bad === undefined) return { value: peers };
  return {
    expected: `host or host:port, with ports from 1 to 65535, separated by spaces or commas, not ${JSON.stringify(bad)}`,
  };
};

/** A host name, or an IP address without brackets. */
export const hostName: Reader<string> = (text) =>
  isIPv6(text) || isHostName(text) ? { value: text } : { expected: "a host name or an IP address" };

/** Any text. */
export const anyText: Reader<string> = (text) => ({ value: text });

/** A token for the header `Authorization: Bearer`; surrounding spaces are removed. */
export const bearerToken: Reader<string> = (text) =>
  /^[\x21-\x7e]{1,4096}$/.test(text.trim())
    ? { value: text.trim() }
    : { expected: "at most 4096 printable ASCII characters without spaces" };

/** `1`, `true`, `yes`, `on`, or `0`, `false`, `no`, `off`. */
export const flag: Reader<boolean> = (text) => {
  if (/^(1|true|yes|on)$/i.test(text)) return { value: true };
  if (/^(0|false|no|off)$/i.test(text)) return { value: false };
  return { expected: "1 or 0" };
};
