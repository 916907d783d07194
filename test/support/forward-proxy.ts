import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** An HTTP proxy on loopback: pages by their whole URL, tunnels by CONNECT. */
export interface ForwardProxy {
  readonly port: number;
  /** The method and URL of each request, and its headers. */
  readonly requests: { readonly line: string; readonly headers: NodeJS.Dict<string | string[]> }[];
}

/**
 * Starts an HTTP proxy.
 *
 * @param options `refuse`: the status of all responses; `tls`: whether clients connect over TLS.
 */
export async function startForwardProxy(
  options: { refuse?: number; tls?: { cert: string; key: string } } = {},
): Promise<ForwardProxy> {
  const { refuse, tls } = options;
  const requests: ForwardProxy["requests"] = [];
  const sockets = new Set<Socket>();
  const server = tls === undefined ? createServer() : createTlsServer(tls);
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    requests.push({ line: `${request.method} ${request.url}`, headers: request.headers });
    if (refuse !== undefined) return void response.writeHead(refuse).end();
    const { "proxy-authorization": _, ...headers } = request.headers;
    const onward = httpRequest(request.url ?? "", { headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.writeHead(502).end());
    onward.end();
  });
  server.on("connect", (request: IncomingMessage, client: Socket) => {
    requests.push({ line: `CONNECT ${request.url}`, headers: request.headers });
    if (refuse !== undefined) return void client.end(`HTTP/1.1 ${refuse} No\r\n\r\n`);
    const [host, port] = (request.url ?? "").split(":");
    const onward = connect(Number(port), host, () => client.write("HTTP/1.1 200 OK\r\n\r\n"));
    sockets.add(onward);
    for (const [from, to] of [
      [client, onward],
      [onward, client],
    ] as const) {
      from.on("error", () => to.destroy());
      from.pipe(to);
    }
  });
  server.on("connection", (socket: Socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, requests };
}
