import { isIPv6 } from "node:net";
import { isHostName, parseHostPort } from "../model/host-port.js";

/** What a reader makes of a text: the value, or what is allowed instead. */
export type Reading<T> = { readonly value: T } | { readonly allowed: string };

/** Reads the text of one variable; it never sees an empty text. */
export type Reader<T> = (text: string) => Reading<T>;

/** `host:port` to listen on; without a host all addresses. */
export interface ListenAddress {
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** The port of SSH, of this node and of a peer that names none. */
export const defaultSshPort = 22;

/** Whole numbers from `min` to `max`, in plain decimal digits. */
export function wholeNumber(min: number, max: number, unit: string): Reader<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return { value };
    return { allowed: `a whole number of ${unit} from ${min} to ${max}` };
  };
}

/** Numbers above 0 up to `max`, fractions allowed. */
export function positiveNumber(max: number, unit: string): Reader<number> {
  return (text) => {
    const value = /^\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
    if (value > 0 && value <= max) return { value };
    return { allowed: `a number of ${unit} above 0, up to ${max}` };
  };
}

/** One of the given words. */
export function oneOf<T extends string>(words: readonly T[]): Reader<T> {
  return (text) => {
    const value = words.find((word) => word === text);
    return value === undefined ? { allowed: `one of ${words.join(", ")}` } : { value };
  };
}

/** Ports from 1 to 65535, separated by spaces or commas. */
export const portList: Reader<readonly number[]> = (text) => {
  const ports = text
    .split(/[\s,]+/)
    .filter((part) => part !== "")
    .map((part) => (/^\d{1,5}$/.test(part) ? Number(part) : 0));
  if (ports.every((port) => port >= 1 && port <= 65535)) return { value: ports };
  return { allowed: "ports from 1 to 65535, separated by spaces or commas" };
};

/** The path of a URL, from its first slash; a query may follow. */
export const urlPath: Reader<string> = (text) =>
  /^\/[\x21-\x7e]*$/.test(text) && !text.includes("#")
    ? { value: text }
    : { allowed: "the whole path, from its first slash, such as /metrics" };

/** `:2137`, `127.0.0.1:2137`, `[::1]:2137`, `name:2137`. */
export const listenAddress: Reader<ListenAddress> = (text) => {
  const { host, port } = parseHostPort(text, { listening: true }) ?? {};
  if (port === undefined) return { allowed: "host:port or :port, such as :2137 or 127.0.0.1:2137" };
  return { value: host ? { host, port } : { port } };
};

/** `host:port` under which others reach something; both are needed. */
export const hostAndPort: Reader<string> = (text) =>
  parseHostPort(text) === undefined
    ? { allowed: "host:port, such as node1.example.org:2137" }
    : { value: text };

/** `host` or `host:port`, separated by spaces or commas; parseHostPort with the default port of SSH reads each. */
export const peerList: Reader<readonly string[]> = (text) => {
  const peers = text.split(/[\s,]+/).filter((part) => part !== "");
  const bad = peers.find((peer) => parseHostPort(peer, { defaultPort: defaultSshPort }) === undefined);
  if (bad === undefined) return { value: peers };
  return {
    allowed: `host or host:port, with ports from 1 to 65535, separated by spaces or commas, not ${JSON.stringify(bad)}`,
  };
};

/** An IP address, or any text that can name a host. */
export const hostName: Reader<string> = (text) =>
  isIPv6(text) || isHostName(text) ? { value: text } : { allowed: "a host name or an IP address" };

/** Any text as it stands. */
export const anyText: Reader<string> = (text) => ({ value: text });

/** What can stand in a header behind `Bearer`. */
export const bearerToken: Reader<string> = (text) =>
  /^[\x21-\x7e]{1,4096}$/.test(text)
    ? { value: text }
    : { allowed: "up to 4096 letters, digits and signs of ASCII, without spaces" };

/** `1`, `true`, `yes` or `0`, `false`, `no`. */
export const flag: Reader<boolean> = (text) => {
  if (/^(1|true|yes|on)$/i.test(text)) return { value: true };
  if (/^(0|false|no|off)$/i.test(text)) return { value: false };
  return { allowed: "1 or 0" };
};
