// Several kinds of programs that a scan finds: node main.mjs <kind> [port]
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

function serve(respond) {
  createServer((request, response) => {
    requests++;
    respond(request, response);
  }).listen(Number(port));
}

const kinds = {
  /** Metrics at /metrics that count up with each request, nothing elsewhere. */
  exporter: () =>
    serve((request, response) => {
      if (request.url !== "/metrics") response.writeHead(404).end();
      else response.writeHead(200, text).end(exposition());
    }),
  /** The same, but it rejects HEAD, as many exporters do. */
  "no-head": () =>
    serve((request, response) => {
      if (request.method !== "GET") response.writeHead(405, { Allow: "GET" }).end();
      else response.writeHead(200, text).end(exposition());
    }),
  /** A web app with routing in the browser: status 200 and its index page for every path. */
  "index-page": () =>
    serve((_request, response) => {
      response.writeHead(200, html).end('<!doctype html>\n<html><body><div id="app"></div></body></html>\n');
    }),
  /** Accepts connections and never responds. */
  silent: () => createTcpServer((socket) => socket.on("error", () => {}).resume()).listen(Number(port)),
  /** An exporter that requires CREDENTIALS, `user:password`. It logs each request to its standard output. */
  locked: () => {
    const expected = `Basic ${Buffer.from(process.env.CREDENTIALS ?? "").toString("base64")}`;
    serve((request, response) => {
      const right = request.headers.authorization === expected;
      console.log(
        `request with ${right ? "the right" : (request.headers.authorization ?? "no")} credentials`,
      );
      if (right) response.writeHead(200, text).end(exposition());
      else response.writeHead(401, { "WWW-Authenticate": "Basic" }).end();
    });
  },
  /** Metrics that differ in each response: its time, with milliseconds. */
  clock: () =>
    serve((_request, response) => {
      const help = "# HELP app_time_seconds Time of this response.\n# TYPE app_time_seconds gauge\n";
      response.writeHead(200, text).end(`${help}app_time_seconds ${Date.now() / 1000}\n`);
    }),
  /** Does not listen. */
  idle: () => setInterval(() => {}, 60_000),
  /** An exporter that starts to listen after three seconds. */
  late: () => setTimeout(() => kinds.exporter(), 3000),
};

kinds[kind]();
