// What a scan meets in the wild, one program a kind: node main.mjs <kind> [port]
import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";

const [kind = "exporter", port = "8080"] = process.argv.slice(2);
const started = Date.now();
let requests = 0;

const text = { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" };
const html = { "Content-Type": "text/html; charset=utf-8" };

function exposition() {
  return [
    "# HELP app_requests_total Requests for the metrics.",
    "# TYPE app_requests_total counter",
    `app_requests_total ${requests}`,
    "# HELP app_start_time_seconds When the app was started.",
    "# TYPE app_start_time_seconds gauge",
    `app_start_time_seconds ${started / 1000}`,
    "",
  ].join("\n");
}

function serve(answer) {
  createServer((request, response) => {
    requests++;
    answer(request, response);
  }).listen(Number(port));
}

const kinds = {
  /** Metrics at /metrics that count up with each request, nothing elsewhere. */
  exporter: () =>
    serve((request, response) => {
      if (request.url !== "/metrics") response.writeHead(404).end();
      else response.writeHead(200, text).end(exposition());
    }),
  /** The same, but it takes no HEAD, as many exporters. */
  "no-head": () =>
    serve((request, response) => {
      if (request.method !== "GET") response.writeHead(405, { Allow: "GET" }).end();
      else response.writeHead(200, text).end(exposition());
    }),
  /** A web app whose routing happens in the browser: its index page and 200 everywhere. */
  "index-page": () =>
    serve((_request, response) => {
      response.writeHead(200, html).end('<!doctype html>\n<html><body><div id="app"></div></body></html>\n');
    }),
  /** Accepts connections and never says a word. */
  silent: () => createTcpServer((socket) => socket.on("error", () => {}).resume()).listen(Number(port)),
  /** An exporter that wants what CREDENTIALS says, `user:password`. Whoever asks is on its standard output. */
  locked: () => {
    const wanted = `Basic ${Buffer.from(process.env.CREDENTIALS ?? "").toString("base64")}`;
    serve((request, response) => {
      const right = request.headers.authorization === wanted;
      console.log(`asked with ${right ? "the right" : (request.headers.authorization ?? "no")} credentials`);
      if (right) response.writeHead(200, text).end(exposition());
      else response.writeHead(401, { "WWW-Authenticate": "Basic" }).end();
    });
  },
  /** Listens nowhere. */
  idle: () => setInterval(() => {}, 60_000),
  /** An exporter that needs three seconds until it listens. */
  late: () => setTimeout(() => kinds.exporter(), 3000),
};

kinds[kind]();
