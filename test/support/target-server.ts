import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type ServerOpts, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import type { Target } from "../../src/model/target.js";

/** A real HTTP target on loopback. */
export interface TargetServer {
  readonly url: string;
  readonly port: number;
  /** The requests so far, as `METHOD path`. */
  readonly requests: string[];
  close(): Promise<void>;
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export const textType = "text/plain; version=0.0.4; charset=utf-8";

/** Responds to every request with a text. */
export function answerWith(text: string | Buffer, contentType = textType, status = 200): Answer {
  return (_request, response) => {
    response.writeHead(status, { "content-type": contentType });
    response.end(text);
  };
}

/** Starts an HTTP server on a free port of loopback. It is closed after the test. */
export async function startTarget(answer: Answer, port = 0): Promise<TargetServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  const taken = (server.address() as AddressInfo).port;
  return { url: `http://127.0.0.1:${taken}/metrics`, port: taken, requests, close };
}

/** Starts a TCP server with a handler for connections. */
export async function startTcpTarget(
  connected: (socket: Socket) => void,
  options: ServerOpts = {},
): Promise<{ url: string; port: number }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer(options, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    connected(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  );
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/metrics`, port };
}

/** A target with these URLs. */
export function targetAt(urls: string | readonly string[], fields: Partial<Target> = {}): Target {
  return {
    id: "test:1",
    provider: "test",
    title: "web-1",
    names: ["web"],
    job: "web",
    replica: "1",
    scope: "local",
    labels: {},
    fetch: { kind: "http", urls: [urls].flat() },
    expected: false,
    startedAt: 0,
    problems: [],
    ...fields,
  };
}
