import { networkInterfaces } from "node:os";
import { type IpAddress, isWithin, parseAddress } from "../../address/ip.js";
import { forbiddenKind, isLoopback, isLoopbackRange } from "../../address/special-ranges.js";
import {
  type AllowedName,
  type AllowedRange,
  dockerPorts,
  type RelayAllow,
} from "../../config/relay-allow.js";
import type { HostPort } from "../../model/host-port.js";
import type { Target } from "../../model/target.js";
import { RelayError } from "./relay-error.js";
import type { RelayTarget } from "./relay-target.js";

/** Resolves a host to addresses in text form; rejects if there are none. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

export interface AdmissionOptions {
  readonly allow: RelayAllow;
  /** The Docker engine, where it is reached over TCP. */
  readonly engine?: HostPort | undefined;
  /** The targets of this node. */
  readonly targets: () => Iterable<Target>;
  readonly resolve: Resolve;
}

/** Further addresses of a name are ignored. */
const maxAddresses = 16;

/**
 * Decides which targets may be requested. It resolves a target once and returns the allowed addresses to dial: the
 * name is not resolved again, so a DNS answer that changes afterwards has no effect.
 */
export class Admission {
  constructor(private readonly options: AdmissionOptions) {}

  /**
   * @returns at least one address.
   * @throws RelayError 403, or what `resolve` throws.
   */
  async admit(target: RelayTarget, signal: AbortSignal): Promise<readonly string[]> {
    const { allow, resolve } = this.options;
    const { host, port } = target;
    if (dockerPorts.includes(port))
      throw new RelayError(403, `port ${port} belongs to the Docker engine: never relayed`);
    // Checked before resolving, so that clients cannot make this node resolve arbitrary names.
    if (!allow.targets && !allow.entries.some((entry) => includes(entry, port))) throw notAllowed(target);
    const literal = parseAddress(host) !== undefined;
    const found = literal ? [host] : await resolve(host, signal);
    const engine = await this.#engineAddresses(port, host, signal);
    const addresses: string[] = [];
    let refusal: RelayError | undefined;
    for (const address of found.slice(0, maxAddresses)) {
      const reason = this.#refusalOf(target, literal, address, engine);
      if (reason === undefined) addresses.push(address);
      else refusal ??= reason;
    }
    if (addresses.length === 0) throw refusal ?? notAllowed(target);
    return addresses;
  }

  #refusalOf(
    target: RelayTarget,
    literal: boolean,
    text: string,
    engine: readonly IpAddress[],
  ): RelayError | undefined {
    const { host, port } = target;
    const never = (kind: string) =>
      new RelayError(403, `${host} ${literal ? "is" : "resolves to"} ${kind}: never relayed`);
    const address = parseAddress(text);
    if (address === undefined) return never("an invalid address");
    const kind = forbiddenKind(address);
    if (kind !== undefined) return never(kind);
    if (isEngine(engine, address)) return never("the Docker engine");
    if (this.#allows(target, literal, address)) return undefined;
    if (!isLoopback(address)) return notAllowed(target);
    return new RelayError(403, `RELAY_ALLOW does not allow the loopback address of ${host} at port ${port}`);
  }

  #allows({ host, port }: RelayTarget, literal: boolean, address: IpAddress): boolean {
    const { allow, targets } = this.options;
    const entries = allow.entries.filter(
      (entry) => includes(entry, port) && matches(entry, host, literal, address),
    );
    // Loopback requires an explicit entry: a range within loopback, or the name `localhost`.
    if (isLoopback(address)) return entries.some(isForLoopback);
    if (entries.length > 0 || !allow.targets) return entries.length > 0;
    const known = [...targets()];
    return [host, address.toString()].some((place) => isDiscovered(known, place, port));
  }

  /** The engine's addresses, where its port is requested. Refuses the request where they cannot be determined. */
  async #engineAddresses(port: number, host: string, signal: AbortSignal): Promise<readonly IpAddress[]> {
    const { engine, resolve } = this.options;
    if (engine?.port !== port) return [];
    if (engine.host.toLowerCase() === host)
      throw new RelayError(403, `${host}:${port} is the Docker engine: never relayed`);
    const literal = parseAddress(engine.host);
    if (literal !== undefined) return [literal];
    const addresses = await resolve(engine.host, signal).catch((cause) => {
      const message = `port ${port} belongs to the Docker engine, whose address cannot be resolved`;
      throw new RelayError(403, message, { cause });
    });
    return addresses.map(parseAddress).filter((address) => address !== undefined);
  }
}

/** Whether an address is one of the engine's. An engine on this machine may listen on all addresses of the machine. */
function isEngine(engine: readonly IpAddress[], address: IpAddress): boolean {
  if (engine.some((other) => other.toString() === address.toString())) return true;
  return isOfThisMachine(address) && engine.some(isOfThisMachine);
}

function isOfThisMachine(address: IpAddress): boolean {
  if (isLoopback(address) || forbiddenKind(address) === "unspecified") return true;
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return own.some((one) => parseAddress(one.address)?.toString() === address.toString());
}

function includes({ ports }: AllowedRange | AllowedName, port: number): boolean {
  return port >= ports.first && port <= ports.last;
}

function isForLoopback(entry: AllowedRange | AllowedName): boolean {
  return entry.kind === "range" ? isLoopbackRange(entry.range) : /(^|\.)localhost$/.test(entry.name);
}

/** @param literal whether the client sent an address: name patterns never match those. */
function matches(
  entry: AllowedRange | AllowedName,
  host: string,
  literal: boolean,
  address: IpAddress,
): boolean {
  if (entry.kind === "range") return isWithin(address, entry.range);
  if (literal) return false;
  return entry.below ? host.endsWith(`.${entry.name}`) : host === entry.name;
}

function notAllowed({ host, port }: RelayTarget): RelayError {
  return new RelayError(403, `RELAY_ALLOW does not allow ${host} at port ${port}`);
}

/**
 * Whether discovery found a target at this host and port: whether a URL of a target has exactly this authority.
 *
 * @param host a name or an address without brackets.
 */
function isDiscovered(targets: Iterable<Target>, host: string, port: number): boolean {
  const authority = host.includes(":") ? `[${host}]` : host;
  const prefixes = ["http", "https"]
    .map((scheme) => `${scheme}://${authority}:${port}`)
    .filter((url) => URL.canParse(url))
    .map((url) => new URL(url).href);
  for (const { fetch } of targets) {
    if (fetch.kind !== "http") continue;
    if (fetch.urls.some((url) => prefixes.some((prefix) => url.startsWith(prefix)))) return true;
  }
  return false;
}
