import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A container of GET /containers/json, with the fields and empty values of a real engine. */
export function containerSummary(name: string, changes: Partial<Summary> = {}): Summary {
  return {
    Id: idOf(name),
    Names: [`/${name}`],
    Image: "bb:latest",
    ImageID: "sha256:3c89ea8fd82669bb538bef2144f30725c60887aad29450342677f784a61ec3bd",
    Command: "httpd -f -p 8080 -h /www",
    Created: 1_795_217_598,
    Ports: [],
    Labels: {},
    State: "running",
    Status: "Up 4 seconds",
    HostConfig: { NetworkMode: "netA" },
    NetworkSettings: { Networks: { netA: network("netA", "172.17.0.2") } },
    Mounts: [],
    ...changes,
  };
}

export function network(name: string, address: string, address6 = ""): object {
  return {
    IPAMConfig: null,
    Links: null,
    Aliases: null,
    NetworkID: networkIdOf(name),
    EndpointID: "9321d3d6c5324cf493a937bcd94359398e2fd3a7a79e4c38c0a245d73cb99363",
    Gateway: address === "" ? "" : "172.17.0.1",
    IPAddress: address,
    IPPrefixLen: address === "" ? 0 : 16,
    IPv6Gateway: "",
    GlobalIPv6Address: address6,
    GlobalIPv6PrefixLen: address6 === "" ? 0 : 64,
    MacAddress: "02:42:ac:11:00:02",
    DriverOpts: null,
  };
}

/** A service of GET /services. @param mode such as `{ Replicated: { Replicas: 2 } }`. */
export function service(name: string, labels: Record<string, string>, mode: object): object {
  return {
    ID: `id-of-${name}`,
    Version: { Index: 1129 },
    CreatedAt: "2026-11-21T13:46:38.906189646Z",
    UpdatedAt: "2026-11-21T13:46:38.906189646Z",
    Spec: {
      Name: name,
      Labels: labels,
      TaskTemplate: { ContainerSpec: { Image: "bb:latest" }, ForceUpdate: 0, Runtime: "container" },
      Mode: mode,
      EndpointSpec: { Mode: "vip" },
    },
    Endpoint: { Spec: {} },
  };
}

export interface Summary {
  Id: string;
  Names: string[];
  Created: number;
  Labels: Record<string, string>;
  State: string;
  HostConfig: { NetworkMode: string };
  NetworkSettings: { Networks: Record<string, object> };
  [further: string]: unknown;
}

export function idOf(name: string): string {
  return Buffer.from(name).toString("hex").padEnd(64, "0").slice(0, 64);
}

export function networkIdOf(name: string): string {
  return Buffer.from(`network ${name}`).toString("hex").padEnd(64, "0").slice(0, 64);
}

/** An HTTP server on its own socket with the responses of a Docker engine. */
export class FakeEngine {
  readonly containers = new Map<string, Summary>();
  readonly networks = new Map<string, string>([
    ["netA", "bridge"],
    ["netB", "bridge"],
    ["none", "null"],
    ["host", "host"],
  ]);
  /** Path and query of each request so far. */
  readonly requests: string[] = [];
  /** Handlers that replace those of the engine, by path. */
  readonly responses = new Map<string, (response: ServerResponse) => void>();
  /** What a manager lists; undefined on other nodes. */
  swarm: { services: object[]; tasks: object[] } | undefined;
  private readonly streams = new Set<ServerResponse>();
  private server: Server | undefined;
  private nano = 906_189_646;

  private constructor(readonly folder: string) {}

  static async start(): Promise<FakeEngine> {
    const engine = new FakeEngine(await mkdtemp(join(tmpdir(), "engine-")));
    await engine.up();
    return engine;
  }

  get socketPath(): string {
    return join(this.folder, "docker.sock");
  }

  get openStreams(): number {
    return this.streams.size;
  }

  async up(): Promise<void> {
    const server = createServer((request, response) => this.respond(request, response));
    this.server = server;
    await new Promise<void>((resolve) => server.listen(this.socketPath, resolve));
  }

  /** Closes the socket and every connection, as when the engine stops. */
  async down(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  async close(): Promise<void> {
    await this.down();
    await rm(this.folder, { recursive: true, force: true });
  }

  run(name: string, changes: Partial<Summary> = {}): void {
    this.containers.set(name, containerSummary(name, changes));
    this.event("network", "connect", networkIdOf("netA"), { container: idOf(name) });
    this.event("container", "start", idOf(name), { name });
  }

  stop(name: string): void {
    this.containers.delete(name);
    this.event("container", "die", idOf(name), { name, exitCode: "137" });
    this.event("network", "disconnect", networkIdOf("netA"), { container: idOf(name) });
  }

  /** Sends an event in the format of the engine, in two chunks. */
  event(type: string, action: string, id: string, attributes: Record<string, string> = {}): void {
    this.nano += 1_000_000;
    const event = {
      ...(type === "container" && { status: action, id, from: "bb" }),
      Type: type,
      Action: action,
      Actor: { ID: id, Attributes: { image: "bb", note: "ünïcode", ...attributes } },
      scope: "local",
      time: 1_795_217_598,
    };
    // Not by JSON.stringify: the nanoseconds exceed the precision of a number.
    const line = `${JSON.stringify(event).slice(0, -1)},"timeNano":1795217598${this.nano}}\n`;
    this.write(line);
  }

  /** Writes text to every open event stream, in two chunks. */
  write(text: string): void {
    const bytes = Buffer.from(text);
    const cut = Math.floor(bytes.length / 2);
    for (const stream of this.streams) {
      stream.write(bytes.subarray(0, cut));
      stream.write(bytes.subarray(cut));
    }
  }

  /** Closes every event stream, as a socket proxy does with idle ones. */
  cutStreams(): void {
    for (const stream of this.streams) stream.end();
  }

  private respond(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? "";
    this.requests.push(url);
    const path = url.split("?")[0] ?? "";
    response.setHeader("Content-Type", "application/json");
    const otherwise = this.responses.get(path);
    if (otherwise !== undefined) {
      otherwise(response);
      return;
    }
    switch (path) {
      case "/containers/json":
        response.end(`${JSON.stringify([...this.containers.values()].reverse())}\n`);
        return;
      case "/networks":
        response.end(
          JSON.stringify(
            [...this.networks].map(([Name, Driver]) => ({ Name, Id: networkIdOf(Name), Driver })),
          ),
        );
        return;
      case "/info":
        response.end(
          JSON.stringify({
            ID: "XPJY:6C4W",
            Name: "vm",
            Swarm: { NodeID: this.swarm ? "n1" : "", ControlAvailable: this.swarm !== undefined },
          }),
        );
        return;
      case "/services":
      case "/tasks":
        if (this.swarm === undefined)
          response.writeHead(503).end(JSON.stringify({ message: "This node is not a swarm manager." }));
        else response.end(JSON.stringify(path === "/tasks" ? this.swarm.tasks : this.swarm.services));
        return;
      case "/events":
        response.writeHead(200);
        response.flushHeaders();
        this.streams.add(response);
        response.on("close", () => this.streams.delete(response));
        return;
      default:
        response.writeHead(404).end(JSON.stringify({ message: "page not found" }));
    }
  }
}
